"""Processes that make, join and take along one recording's directory, all at the same moment.

Each must be traced, say nothing it should not, and leave what it is meant to leave: a dump each of
those that fail, a recording each of those that record, and no trace of a flight recorder to which
nothing happened. An older recording is never touched."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from common import (
    PATIENCE,
    Failure,
    Figures,
    environment,
    expect,
    folder,
    how_many,
    our_lines,
    pyftrace,
)

import pyftrace as api

# What a process does is in its words; its standard error goes into a file of its own.
PROGRAM = """\
import os, subprocess, sys, time, warnings
warnings.simplefilter("ignore")
def work(n): return n
def fail(n): raise ValueError(work(n))
def wait(n):
    open(f"here-{os.getpid()}", "w").close()
    while sum(name.startswith("here-") for name in os.listdir()) < n: time.sleep(0.001)
work(0)
if "start" in sys.argv:
    for _ in range(4):
        subprocess.Popen([sys.executable, "app.py", "fail"], stdout=subprocess.DEVNULL,
                         stderr=open("err", "a"))
if "fork" in sys.argv and os.fork(): sys.exit(0)
if "both" in sys.argv: wait(2)
if "fail" in sys.argv: fail(1)
"""
FOUR = 4
FLIGHT = ["record", "-q", "--dump-on", "exception"]


def until(condition: Callable[[], bool], what: str) -> None:
    """Children nobody waits for."""
    end = time.monotonic() + PATIENCE
    while not condition():
        expect(time.monotonic() < end, "hangs:", what)
        time.sleep(0.005)


def at_once(place: Path, commands: "list[list[str]]", **more: str) -> None:
    """All of them, to their end; none may say a word of ours."""
    processes = [
        subprocess.Popen(
            [sys.executable, *words], cwd=place, env=environment(**more), encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for words in commands
    ]  # fmt: skip
    try:
        for words, process in zip(commands, processes, strict=True):
            said = process.communicate(timeout=PATIENCE)[1]
            expect(process.returncode == ("fail" in words), f"status {process.returncode}: {said}")
            expect(not our_lines(said), said)
    except subprocess.TimeoutExpired:
        raise Failure("hangs") from None
    finally:
        for process in processes:
            process.kill()
            process.wait()


# ---- what they left ------------------------------------------------------------------------------


def names(path: Path) -> list[str]:
    """What is there, but for what the program makes, and the lock of one that is just ending."""
    others = ("here-", "err", "app", "go", ".")
    return sorted(name for name in os.listdir(path) if not name.startswith(others))


def functions(recording: Path) -> "Counter[str | None]":
    """What was called there, and how often."""
    opened = api.open(recording)
    expect(not opened.damage, "damaged:", opened.damage)
    return Counter(event.function for event in opened.events() if event.event == "start")


def expect_dumps(data: Path, count: int) -> None:
    """One of each process that failed, and nothing else."""
    dumps = [f"dump-{k + 1}" for k in range(count)]
    expect(names(data) == [*dumps, "run"], names(data))
    for dump in dumps:
        found = functions(data / dump)
        expect(found == {"work": 2, "fail": 1}, dump, found)


def older(place: Path) -> Callable[[Path], None]:
    """Makes a recording; what this gives looks whether it is there, as it was."""
    expect(pyftrace("record", "-q", "app.py", cwd=place).returncode == 0)
    before = names(place / "pyftrace.data")

    def check(path: Path) -> None:
        expect(names(path) == before, f"the older recording: {names(path)}")
        expect(functions(path) == {"work": 1}, f"the older recording: {functions(path)}")

    return check


# ---- ways to be there at once --------------------------------------------------------------------


def by_hand(place: Path) -> None:
    """Started by ``PYFTRACE``, with nothing there yet."""
    at_once(place, [["app.py"]] * FOUR, PYFTRACE="record -q")
    expect(functions(place / "pyftrace.data") == {"work": FOUR})


def by_hand_flight(failing: int) -> Callable[[Path], None]:
    def run(place: Path) -> None:
        words = [["app.py", "fail"]] * failing + [["app.py"]] * (FOUR - failing)
        at_once(place, words, PYFTRACE=" ".join(FLIGHT))
        if failing:
            expect_dumps(place / "pyftrace.data", failing)
        else:
            expect(names(place) == [], names(place))

    return run


def children(place: Path) -> None:
    """Their parent ends while they start, and an older recording gets its name back: or not yet."""
    check = older(place)
    done = pyftrace(*FLIGHT, "app.py", "start", cwd=place)
    expect(done.stderr == "", done.stderr)
    data = place / "pyftrace.data"

    def found() -> list[Path]:
        return sorted(path.parent for path in place.glob("pyftrace.data*/dump-*/run"))

    until(lambda: len(found()) == FOUR, "four dumps")
    until(lambda: not list(place.glob("pyftrace.data*/ring.*")), "no ring")
    homes = {path.parent for path in found()}
    expect(len(homes) == 1, homes)
    home = homes.pop()
    expect_dumps(home, FOUR)
    said = our_lines((place / "err").read_text())
    if home == data:
        expect(not said, said)
        check(place / "pyftrace.data.old")
    else:
        expect(len(said) == 1 and f"this one goes to {home}" in said[0], said)
        check(data)
    expect(len(names(place)) == 2, names(place))


def daemon(place: Path) -> None:
    """A forked child goes on where its parent ends."""
    check = older(place)
    done = pyftrace(*FLIGHT, "app.py", "fork", "fail", cwd=place)  # to the end of both
    said = our_lines(done.stderr)
    (home,) = {path.parent.parent for path in place.glob("pyftrace.data*/dump-1/run")}
    expect(names(home) == ["dump-1", "run"], names(home))
    expect(functions(home / "dump-1")["fail"] == 1, functions(home / "dump-1"))
    if home.suffix == ".data":
        expect(not said, said)
        check(place / "pyftrace.data.old")
    else:
        expect(len(said) == 1 and f"this one goes to {home}" in said[0], said)
        check(place / "pyftrace.data")
    expect(len(names(place)) == 2, names(place))


def script(place: Path) -> None:
    """A shell starts them one after the other."""
    check = older(place)
    each = f"{sys.executable} app.py"
    (place / "go").write_text(f"{each}; {each} fail; {each}; {each} fail")
    pyftrace(*FLIGHT, "/bin/sh", "go", cwd=place)
    expect_dumps(place / "pyftrace.data", 2)
    check(place / "pyftrace.data.old")
    expect(len(names(place)) == 2, names(place))


def two_commands(place: Path) -> None:
    """Both make way for the other, whoever is first."""
    check = older(place)
    command = ["-m", "pyftrace", "record", "-q", "app.py", "both"]
    at_once(place, [command] * 2)
    second, data, old = sorted(place.glob("pyftrace.data*"), key=lambda path: path.suffix)
    expect((data.suffix, old.suffix) == (".data", ".old"), second, data, old)
    check(old)
    for path in (second, data):
        found = functions(path)
        expect(found["work"] == found["wait"] == 1, path, found)


ROWS = {
    "by hand": by_hand,
    "flight recorders, by hand, none fails": by_hand_flight(0),
    "flight recorders, by hand, half of them fail": by_hand_flight(FOUR // 2),
    "flight recorders, by hand, all fail": by_hand_flight(FOUR),
    "children whose parent ends": children,
    "a forked child whose parent ends": daemon,
    "one after the other, from a shell": script,
    "two commands": two_commands,
}


def main() -> int:
    times = how_many(__doc__, 100)
    figures = Figures("one directory, several processes")
    for n in range(times):
        for row, run in ROWS.items():
            with folder() as place, figures.one(row, n):
                (place / "app.py").write_text(PROGRAM)
                run(place)
    return figures.end()


if __name__ == "__main__":
    sys.exit(main())
