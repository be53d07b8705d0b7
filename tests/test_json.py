"""docs/json.md names the fields that the commands write: all of them, and no others."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Run = Callable[..., "CompletedProcess[str]"]
DOCS = Path(__file__).resolve().parent.parent / "docs" / "json.md"

PROGRAM = """\
import asyncio
def fail(): raise ValueError("bad")
def work(extra=False):
    yield len("x")
    try: fail()
    except ValueError: pass
async def main(): list(work())
asyncio.run(main())
"""


def section(title: str) -> str:
    return DOCS.read_text().partition(f"\n## {title}")[2].partition("\n## ")[0]


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def rows(title: str) -> dict[str, str]:
    """A section's table: what stands beside each name."""
    cells = re.findall(r"^\| (.*?) \| (.*?) ?\|$", section(title), re.M)
    return {name: text for names, text in cells for name in quoted(names)}


@pytest.fixture
def recording(pyftrace: Run, tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(PROGRAM)
    words = ["-q", "-v", "--args", "--values=safe", "--callers", "app.py"]
    assert pyftrace("record", *words).returncode == 0
    return tmp_path / "pyftrace.data"


def keys(rows: list[dict[str, Any]]) -> set[str]:
    return {key for row in rows for key in row}


def test_report(recording: Path, pyftrace: Run):
    found = json.loads(pyftrace("report", "--format", "json").stdout)
    assert keys(found) == set(rows("`pyftrace --report"))
    live = json.loads(pyftrace("--report", "--format", "json", "app.py").stdout)
    assert keys(live) == {name for name in keys(found) if not re.fullmatch(r"p\d\d_ns", name)}


def test_dump(recording: Path, pyftrace: Run):
    found = [json.loads(line) for line in pyftrace("dump").stdout.splitlines()]
    known = rows("`pyftrace dump`")
    assert keys(found) == set(known) - {"count"}
    assert {row["event"] for row in found} <= quoted(known["event"])


def test_info(recording: Path, pyftrace: Run):
    found = json.loads(pyftrace("info", "--json").stdout)
    known = rows("`pyftrace info")
    assert keys([found]) == set(known)
    assert keys([found["facts"]]) == quoted(known["facts"])
    assert keys(found["processes"]) == quoted(known["processes"])
    assert keys(found["threads"]) == quoted(known["threads"]) - {"processes"}


def test_diff(recording: Path, pyftrace: Run):
    recording.rename(recording.with_name("a.data"))
    pyftrace("record", "-q", "-o", "b.data", "app.py")
    found = json.loads(pyftrace("diff", "--format", "json", "a.data", "b.data").stdout)
    known = quoted(section("`pyftrace diff"))
    row = found["rows"][0]
    side = next(row[name] for name in "ab" if row[name])
    for part in (found, found["a"], row, side):
        assert set(part) <= known
