"""What is the user's code besides what its path says: the package under test, installed or not."""

import os
import sys
from pathlib import Path

import pytest

from pyftrace._engine import is_library


def under_test(session: pytest.Session) -> tuple[str, ...]:
    """Packages that count as the user's: those whose own tests lie in site-packages (``--pyargs``),
    and those that the project of rootdir installs there (tox, nox)."""
    found = set()
    for path in {item.path for item in session.items}:
        if is_library(str(path)):
            found |= _package_at(path)
    return tuple(sorted(found | _installed_from(session.config.rootpath)))


def _package_at(path: Path) -> set[str]:
    """The top-level package that a file lies in."""
    folders = sorted((p for p in sys.path if p), key=len, reverse=True)
    for folder in map(os.path.abspath, folders):
        if str(path).startswith(folder + os.sep):
            return {path.relative_to(folder).parts[0].removesuffix(".py")}
    return set()


def _installed_from(root: Path) -> set[str]:
    """The top-level packages of the distribution whose name stands in pyproject.toml."""
    import tomllib
    from importlib import metadata

    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        files = metadata.files(project["project"]["name"]) or ()
    except (OSError, ValueError, LookupError, TypeError, metadata.PackageNotFoundError):
        return set()
    tops = {file.parts[0] for file in files if file.suffix == ".py"}
    return {top.removesuffix(".py") for top in tops if not top.endswith(".dist-info")} - {".."}
