"""Traces much: N million calls, recursion to N hundred thousand (at most a million), N thousand
threads. Counts are exact, and memory does not grow with the number of calls, only with the depth.

N is 2 unless told; 100 are the figures of docs/reliability.md."""

import os
import subprocess
import sys
from pathlib import Path

from common import Figures, expect, folder, how_many, say_status

import pyftrace

MB = 1 << 20

CALLS = """\
import sys
def leaf(n): return n
for n in range(int(sys.argv[1])): leaf(n)
"""
DECORATED = """\
import sys, io, pyftrace
@pyftrace.trace(file="/dev/null", depth=1)
def leaf(n): return n
with pyftrace.report(function="leaf") as r:
    for n in range(int(sys.argv[1])): leaf(n)
print(r.calls("leaf"))
"""
DEEP = """\
import sys
n = int(sys.argv[1])
sys.setrecursionlimit(n + 1000)
def down(n): return down(n - 1) + 1 if n else 0
print(down(n))
"""
THREADS = """\
import sys, threading
def work(): return leaf()
def leaf(): pass
for n in range(int(sys.argv[1])):
    t = threading.Thread(target=work); t.start(); t.join()
"""


def measured(place: Path, *words: object) -> tuple[str, float]:
    """Standard output, and the most memory that the process took, in MB."""
    with open(place / "stdout", "w+") as out, open(place / "stderr", "w+") as err:
        kept = {k: v for k, v in os.environ.items() if k not in ("PYFTRACE", "PYTHONUNBUFFERED")}
        child = subprocess.Popen(
            [sys.executable, *map(str, words)], cwd=place, env=kept, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        expect(child.returncode == 0, say_status(child.returncode), err.read()[-300:])
        out.seek(0)
        return out.read(), usage.ru_maxrss / 1024


def count_of(table: str, function: str) -> int:
    """The number of calls in a report's CSV."""
    head, *rows = [line.split(",") for line in table.splitlines() if "," in line]
    at, calls = head.index("function"), head.index("calls")
    return next((int(row[calls]) for row in rows if row[at] == function), 0)


def report(place: Path, calls: int, figures: Figures) -> None:
    row = f"{calls} calls, --report"
    with figures.one(row):
        (place / "calls.py").write_text(CALLS)
        words = ("-m", "pyftrace", "--report", "--format", "csv", "calls.py")
        _, few = measured(place, *words, calls // 10)
        table, many = measured(place, *words, calls)
        expect(count_of(table, "leaf") == calls, table)
        expect(many < few + 4, f"{few:.1f} MB for a tenth, {many:.1f} MB for all")
        figures.note(row, f"{many:.0f} MB")


def recorded(place: Path, calls: int, figures: Figures) -> None:
    row = f"{calls} calls, record"
    with figures.one(row):
        (place / "calls.py").write_text(CALLS)
        _, writing = measured(place, "-m", "pyftrace", "record", "-o", "calls", "calls.py", calls)
        recording = pyftrace.open(place / "calls")
        expect(recording.info["state"] == "COMPLETE", recording.info["why"])
        table, reading = measured(place, "-m", "pyftrace", "report", "--format", "csv", "calls")
        expect(count_of(table, "leaf") == calls, table)
        # What is written is mapped by pieces; what is read, not at all.
        expect(reading < 64 and writing < 64, f"{writing:.0f} MB, {reading:.0f} MB to read")
        size = sum(path.stat().st_size for path in (place / "calls").iterdir())
        figures.note(
            row,
            f"{size / 2 / calls:.2f} bytes an event, {writing:.0f} MB, {reading:.0f} MB to read",
        )


def decorated(place: Path, calls: int, figures: Figures) -> None:
    row = f"{calls} calls, decorated"
    with figures.one(row):
        (place / "decorated.py").write_text(DECORATED)
        _, few = measured(place, "decorated.py", calls // 10)
        out, many = measured(place, "decorated.py", calls)
        expect(out == f"{calls}\n", out)
        expect(many < few + 4, f"{few:.1f} MB for a tenth, {many:.1f} MB for all")
        figures.note(row, f"{many:.0f} MB")


def deep(place: Path, depth: int, figures: Figures) -> None:
    (place / "deep.py").write_text(DEEP)
    _, plain = measured(place, "deep.py", depth)
    for name, words in {
        "tree": ["-o", "tree"],
        "--report": ["--report", "-o", "table"],
        "record": ["record", "-o", "deep"],
    }.items():
        row = f"{depth} deep, {name}"
        with figures.one(row):
            out, most = measured(place, "-m", "pyftrace", *words, "deep.py", depth)
            expect(out.startswith(f"{depth}\n"), out)
            expect(most < plain + 40 + depth * 256 / MB, f"{most:.0f} MB, untraced {plain:.0f}")
            figures.note(row, f"{most:.0f} MB, untraced {plain:.0f}")
    with figures.one(f"{depth} deep, read back"):
        calls = pyftrace.open(place / "deep").report().calls("down")
        expect(calls == depth + 1, calls)
        lines = widest = 0  # not read whole: what this process takes, its children begin with
        with open(place / "tree") as tree:
            for line in tree:
                lines += "Called down" in line
                widest = max(widest, len(line))
        expect(lines == depth + 1, lines)
        expect(widest < 400, widest)


def threads(place: Path, number: int, figures: Figures) -> None:
    row = f"{number} threads"
    with figures.one(row):
        (place / "threads.py").write_text(THREADS)
        words = ("-m", "pyftrace", "record", "-o", "threads", "threads.py")
        _, most = measured(place, *words, number)
        recording = pyftrace.open(place / "threads")
        calls = recording.report().calls("leaf")
        expect(calls == number and not recording.missing(), calls)
        files = len(list((place / "threads").glob("*.lane")))
        expect(files < 100, f"{files} files")
        figures.note(row, f"{files} lanes, {most:.0f} MB")


def main() -> int:
    n = how_many(__doc__, 2)
    figures = Figures("much")
    with folder() as place:
        report(place, n * 10**6, figures)
        recorded(place, n * 10**6, figures)
        decorated(place, min(n, 5) * 10**6, figures)
        threads(place, n * 1000, figures)
        deep(place, min(n, 10) * 10**5, figures)
    return figures.end()


if __name__ == "__main__":
    sys.exit(main())
