"""The suite's own tests with an engine that has a fault, in an environment like the one in use."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pyftrace
from oracle.build import ROOT

LIMIT = 900  # seconds


class Installed:
    """Copies of the package in use, hook and all, each with an engine of its own in a venv."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = Path(pyftrace.__file__).parent.parent

    def failed(self, name: str, lib: Path, tests: str) -> tuple[int, str]:
        """1 and the first test that fails, or 0; -1 when pytest could not tell."""
        place = self.folder / name
        venv.create(place, with_pip=False, symlinks=True)
        scheme = {"base": str(place), "platbase": str(place)}
        site = Path(sysconfig.get_path("purelib", "venv", scheme))
        for path in self.site.glob("pyftrace*"):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, site / path.name)
        engine = f"_engine{sysconfig.get_config_var('EXT_SUFFIX')}"
        for old in (site / "pyftrace").glob("_engine*.so"):
            old.unlink()
        shutil.copy(lib / "pyftrace" / engine, site / "pyftrace" / engine)
        # A folder that is named in a .pth is only looked into: the hook there does not run.
        theirs = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        (site / "theirs.pth").write_text("\n".join(theirs) + "\n")
        return self._run(place, tests)

    def _run(self, place: Path, tests: str) -> tuple[int, str]:
        words = ["-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "-x", "-rfE"]
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYFTRACE")}
        try:
            done = subprocess.run(
                [str(place / "bin" / "python"), *words, *(f"tests/{x}" for x in tests.split())],
                cwd=ROOT,
                env=kept | {"PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                timeout=LIMIT,
            )
        except subprocess.TimeoutExpired:
            return 1, f"still running after {LIMIT} s"
        failed = re.findall(r"^(?:FAILED|ERROR) \S+?::(\S+)", done.stdout, re.MULTILINE)
        if done.returncode not in (0, 1) or (done.returncode == 1) != bool(failed):
            return -1, f"pytest: status {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}"
        return len(failed), failed[0] if failed else ""
