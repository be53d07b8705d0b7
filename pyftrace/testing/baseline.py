"""Files of counts: what ``calls.same_as()`` compares with. One function a line, by name, so that a
version control's difference reads like the failure's."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from pyftrace.options import printable
from pyftrace.totals import Row

SHOWN = 30  # differences

# Which test wrote which file in this session: two must not overwrite one another's in silence.
_WRITERS = pytest.StashKey[dict[Path, tuple[str, dict[str, int]]]]()


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """Calls by ``module.name``, sorted."""
    found: dict[str, int] = {}
    for row in rows:
        name = f"{row.module}.{row.function}"
        found[name] = found.get(name, 0) + row.calls
    return {name: found[name] for name in sorted(found) if found[name]}


def write(path: Path, found: dict[str, int], item: pytest.Item) -> list[str]:
    """The baseline is what was found. What hinders it: another test of this run that wrote other
    counts there, the file system."""
    writers = item.config.stash.setdefault(_WRITERS, {})
    other, before = writers.setdefault(path, (item.nodeid, found))
    if before != found:
        return [
            f"{path.name}: {printable(other)} has written other counts to it; give each test a file"
            " of its own"
        ]
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8", errors="surrogatepass")
        os.replace(new, path)
    except (OSError, ValueError) as error:
        return [f"cannot write {printable(str(path))}: {_said(error)}"]
    return []


def _said(error: OSError | ValueError) -> str:
    """ValueError: a name that no file can have, with a NUL in it or a lone surrogate."""
    return str(getattr(error, "strerror", None) or error)


def _read(path: Path) -> "dict[str, int] | str":
    """What is stored, or why it is not."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return f"there is no {path}; pytest --pyftrace-update writes it"
    except (OSError, ValueError) as error:
        return f"cannot read {printable(str(path))}: {_said(error)}"
    try:
        stored = json.loads(text.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):  # no JSON, or JSON nested deeper than Python reads it
        stored = None
    if not isinstance(stored, dict) or not all(
        type(calls) is int and calls >= 0 for calls in stored.values()
    ):
        return f"{path} holds no counts; pytest --pyftrace-update writes it"
    return stored


def differences(path: Path, found: dict[str, int], by: Callable[[str], str]) -> list[str]:
    """Lines: which functions are called otherwise than stored, and ``by`` whom; none: no line."""
    stored = _read(path)
    if isinstance(stored, str):
        return [stored]
    lines = []
    for name in sorted(stored.keys() | found.keys()):
        before, now = stored.get(name, 0), found.get(name, 0)
        if before == now:
            continue
        change = f"{before} -> {now or 'not called'}" if before else f"new: {now}"
        lines.append(f"  {printable(name)}: {change}{by(name)}")
    if not lines:
        return []
    more = [f"  ... {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    heading = f"not the calls of {path.name} (pytest --pyftrace-update accepts them):"
    return [heading, *lines[:SHOWN], *more]
