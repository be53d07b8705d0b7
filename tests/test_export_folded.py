"""Folded stacks, read as flamegraph.pl does: the last blank parts a stack from its number."""

from pathlib import Path

import pyftrace as api

PROGRAM = """\
def inner(): pass
def outer():
    for _ in range(3): inner()
outer(); inner()
"""


def test_stacks_and_times_are_those_of_the_recording(pyftrace, tmp_path: Path):
    (tmp_path / "app.py").write_text(PROGRAM)
    pyftrace("record", "-q", "app.py")
    lines = pyftrace("dump", "--format", "folded").stdout.splitlines()
    own = {stack: int(ns) for stack, ns in (line.rsplit(" ", 1) for line in lines)}
    assert own.keys() == {"__main__.outer", "__main__.outer;__main__.inner", "__main__.inner"}
    rows = api.open(tmp_path / "pyftrace.data").report().rows
    assert sum(own.values()) == sum(row.self_ns for row in rows)
