"""Processes that make, join and take along one recording's directory, all at the same moment.

Four are started at once by ``PYFTRACE``, with nothing there yet, and their parent is no Python.
Each must be traced, say nothing it should not, and leave what it is meant to leave: a dump each of
those that fail, a recording each of those that record, and no trace of a flight recorder to which
nothing happened."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from common import PATIENCE, Failure, Figures, environment, expect, folder, how_many, our_lines

import pyftrace

PROGRAM = """\
import sys
def work(n): return n
def fail(n): raise ValueError(work(n))
work(0)
if "fail" in sys.argv: fail(1)
"""
FOUR = 4
FLIGHT = "record -q --dump-on exception"
# A row: what PYFTRACE says, and of how many of the four the program fails.
ROWS = {
    "a recording": ("record -q", 0),
    "flight recorder, nothing happens": (FLIGHT, 0),
    "flight recorder, half of them fail": (FLIGHT, FOUR // 2),
    "flight recorder, all fail": (FLIGHT, FOUR),
}


def run(place: Path, words: str, failing: int) -> None:
    """All of them, to their end."""
    processes = [
        subprocess.Popen(
            [sys.executable, "app.py", *(["fail"] if k < failing else [])],
            cwd=place, env=environment(PYFTRACE=words), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
        )
        for k in range(FOUR)
    ]  # fmt: skip
    try:
        for k, process in enumerate(processes):
            said = process.communicate(timeout=PATIENCE)[1]
            expect(process.returncode == (k < failing), f"status {process.returncode}: {said}")
            expect(not our_lines(said), said)
    except subprocess.TimeoutExpired:
        raise Failure("hangs") from None
    finally:
        for process in processes:
            process.kill()
            process.wait()


def functions(recording: Path) -> "Counter[str | None]":
    """What was called there, and how often."""
    opened = pyftrace.open(recording)
    expect(not opened.damage, "damaged:", opened.damage)
    return Counter(event.function for event in opened.events() if event.event == "start")


def check(place: Path, failing: int, flight: bool) -> None:
    """What they left."""
    data = place / "pyftrace.data"
    there = sorted(path.name for path in place.iterdir())
    if flight and not failing:
        expect(there == ["app.py"], there)
        return
    expect(there == ["app.py", "pyftrace.data"], there)
    if not flight:
        found = functions(data)
        expect(found == {"work": FOUR}, found)
        return
    dumps = [f"dump-{k + 1}" for k in range(failing)]
    names = sorted(path.name for path in data.iterdir())
    expect(names == [*dumps, "run"], names)
    for dump in dumps:
        found = functions(data / dump)
        expect(found == {"work": 2, "fail": 1}, dump, found)


def main() -> int:
    times = how_many(__doc__, 100)
    figures = Figures("four at once")
    for n in range(times):
        for row, (words, failing) in ROWS.items():
            with folder() as place, figures.one(row, n):
                (place / "app.py").write_text(PROGRAM)
                run(place, words, failing)
                check(place, failing, "--dump-on" in words)
    return figures.end()


if __name__ == "__main__":
    sys.exit(main())
