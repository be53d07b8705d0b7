"""Folded stacks, as flamegraph.pl reads them: the last blank parts a stack from its number."""

from collections.abc import Callable
from pathlib import Path

PROGRAM = """\
def inner(): pass
def outer():
    for _ in range(3): inner()
outer(); inner()
"""


def test_times_are_those_of_the_report(pyftrace: Callable[..., str], tmp_path: Path):
    (tmp_path / "app.py").write_text(PROGRAM)
    pyftrace("record", "-q", "app.py")
    lines = [line.rsplit(" ", 1) for line in pyftrace("dump", "--format", "folded").splitlines()]
    assert {stack for stack, _ in lines} == {
        "__main__.outer", "__main__.outer;__main__.inner", "__main__.inner",
    }  # fmt: skip
