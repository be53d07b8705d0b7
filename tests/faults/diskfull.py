"""Records where there is no room: full disks of every size, no inodes, no descriptors, file limits.

The program's output and status are as untraced; one line says that the recording stopped, or could
not begin; what is there can be read, and says how much is missing.

File systems of their own are mounted in a private mount namespace; where that is not allowed, only
limits are tried."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common import (
    Done,
    Failure,
    Figures,
    as_untraced,
    expect,
    folder,
    how_many,
    our_lines,
    python,
    spread,
)
from common import pyftrace as command

import pyftrace

CALLS = 100_000
PROGRAMS = {
    "calls": f"""\
def f(n): return n
for n in range({CALLS}): f(n)
""",
    "functions": """\
for n in range(3000):
    space = {}
    exec(compile(f"def a_function_with_a_long_name_{n}(n): return n", __file__, "exec"), space)
    space[f"a_function_with_a_long_name_{n}"](n)
""",
    "threads": """\
import threading
def f(n): return n
def work():
    for n in range(5000): f(n)
for _ in range(5):
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads: t.start()
    for t in threads: t.join()
""",
    "processes": """\
import os, subprocess
def f(n): return n
for _ in range(4):
    for n in range(2000): f(n)
    if (pid := os.fork()) == 0:
        for n in range(2000): f(n)
        os._exit(0)
    os.waitpid(pid, 0)
subprocess.run([sys.executable, "-c", "def f(): pass\\nfor _ in range(9999): f()"], check=True)
""",
}
HEAD = "import sys\n"
TAIL = "print('ran')\nprint('this too', file=sys.stderr)\nsys.exit(7)\n"

# errno's words for what stops a recording here.
REASONS = (
    "No space left on device", "File too large", "Too many open files", "Cannot allocate memory",
)  # fmt: skip
STOPPED = re.compile(
    rf"pyftrace: the recording stopped: (?:{'|'.join(REASONS)}); (\d+) events are missing"
)
UNTRACED = re.compile(
    rf"pyftrace: cannot record to \S+: (?:{'|'.join(REASONS)})(; running untraced)?"
)
NO_OUTPUT = re.compile(
    rf"pyftrace: (could not write the (tree|report): (?:{'|'.join(REASONS)}); \d+ lines lost"
    rf"|cannot write \S+: (?:{'|'.join(REASONS)})(; running untraced)?)"
)


# ---- what is checked -----------------------------------------------------------------------------


def check_readable(where: Path, missing: int, program: str) -> None:
    recording = pyftrace.open(where)
    info = recording.info
    expect(not recording.damage, "damaged:", recording.damage)
    told = sum(1 for event in recording.events() if event.event != "lost")
    expect(info["state"] == "INCOMPLETE", "the recording says", info["state"])
    expect(any(reason in " ".join(info["why"]) for reason in REASONS), info["why"])
    if program != "processes":
        expect(recording.missing() == missing, f"{recording.missing()} missing, said {missing}")
        expect(missing, "stopped, and nothing is missing")
    if program == "calls":
        expect(told + missing == 2 * CALLS, f"{told} events and {missing} missing")


def check(done: Done, plain: Done, where: Path, program: str) -> str:
    """What became of the recording: whole, stopped, none."""
    as_untraced(done, plain)
    lines = our_lines(done.stderr)
    single = program != "processes"
    expect(len(lines) <= 1 or not single, "more than a line:", lines)
    stopped = [match for line in lines if (match := STOPPED.fullmatch(line))]
    refused = [line for line in lines if UNTRACED.fullmatch(line)]
    expect(len(stopped) + len(refused) == len(lines), "another line:", lines)
    if stopped:
        check_readable(where, int(stopped[0][1]), program)
        return "stopped"
    if refused:
        return "none"
    recording = pyftrace.open(where)
    expect(recording.info["state"] == "COMPLETE" or not single, "incomplete without a word")
    expect(not recording.damage, "damaged:", recording.damage)
    return "whole"


Runner = Callable[[list[object], Path, str], Done]


def try_one(
    figures: Figures, row: str, which: object, place: Path, where: Path, program: str, run: Runner
) -> None:
    (place / "app.py").write_text(HEAD + PROGRAMS[program] + TAIL)
    with figures.one(row, f"{which}, {program}"):
        outcome = "?"
        plain = python("app.py", cwd=place)
        done = run(["record", "-q", "-o", where, "app.py"], place, program)
        if done.returncode == 2 and not done.stdout:  # the launcher could not make the folder
            expect(UNTRACED.fullmatch(done.stderr.strip()), repr(done.stderr))
            return
        outcome = check(done, plain, where, program)
        kept = figures.outcomes.setdefault(row, {})
        kept[outcome] = kept.get(outcome, 0) + 1


class DiskFigures(Figures):
    """Says too how many recordings came to what."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.outcomes: dict[str, dict[str, int]] = {}

    def end(self) -> int:
        for row, outcomes in self.outcomes.items():
            self.note(row, ", ".join(f"{n} {what}" for what, n in sorted(outcomes.items())))
        return super().end()


# ---- file systems --------------------------------------------------------------------------------

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18


def own_mounts() -> bool:
    """From now on what is mounted is this process's and its children's; False: not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    return (
        libc.unshare(CLONE_NEWNS) == 0
        and libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0
    )


@contextmanager
def small(place: Path, options: str) -> Iterator[Path]:
    at = place / "small"
    at.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"cannot mount: {done.stderr}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def by_command(words: list[object], place: Path, program: str) -> Done:
    return command(*words, cwd=place)


def by_variable(words: list[object], place: Path, program: str) -> Done:
    return python("app.py", cwd=place, PYFTRACE=f"record -q -o {words[3]}")


def try_sizes(figures: Figures, place: Path, sizes: Sequence[int]) -> None:
    for size in sizes:
        for program in PROGRAMS:
            for row, run in (("full disk", by_command), ("full disk, by PYFTRACE", by_variable)):
                with small(place, f"size={size}k") as disk:
                    try_one(figures, row, f"{size}k", place, disk / "data", program, run)


def try_inodes(figures: Figures, place: Path, most: int) -> None:
    for inodes in range(1, most + 1):
        for program in PROGRAMS:
            for row, run in (("no inodes", by_command), ("no inodes, by PYFTRACE", by_variable)):
                with small(place, f"nr_inodes={inodes}") as disk:
                    try_one(figures, row, f"{inodes} inodes", place, disk / "data", program, run)


def try_outputs(figures: Figures, place: Path, sizes: Sequence[int]) -> None:
    """The tree's and the report's own file."""
    (place / "app.py").write_text(HEAD + PROGRAMS["calls"].replace(str(CALLS), "20000") + TAIL)
    plain = python("app.py", cwd=place)
    for size in sizes:
        for words in ([], ["--report"]):
            with small(place, f"size={size}k") as disk:
                filler = disk / "filler"
                if words:  # a table is small: there is to be no room at all
                    filler.write_bytes(b"x" * (size << 10))
                with figures.one(
                    f"full disk, {' '.join(words)} -o FILE".replace(",  ", ", "), size
                ):
                    done = command(*words, "-o", disk / "out", "app.py", cwd=place)
                    as_untraced(done, plain)
                    lines = our_lines(done.stderr)
                    said = len(lines) == 1 and NO_OUTPUT.fullmatch(lines[0])
                    whole = not lines and not words and (disk / "out").stat().st_size > 400_000
                    expect(said or whole, lines)


# ---- limits --------------------------------------------------------------------------------------


def limited(option: str, limit: int) -> list[str]:
    """Words that run others under a limit."""
    return ["sh", "-c", f'ulimit {option} {limit} && exec "$0" "$@"']


def try_file_limits(figures: Figures, place: Path, limits: Sequence[int]) -> None:
    for limit in limits:
        for program in PROGRAMS:
            shutil.rmtree(place / "data", ignore_errors=True)

            def run(words: list[object], place: Path, program: str, blocks: int = limit) -> Done:
                return command(*words, cwd=place, prefix=limited("-f", blocks))

            which = f"{limit} blocks"
            try_one(figures, "ulimit -f", which, place, place / "data", program, run)


# The program uses its descriptors up, then calls what was never called before.
HUNGRY = """\
import os, resource, sys, threading, warnings
def f(n): return n
def g(n): return n
def fill():
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    held = []
    try:
        while True: held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return held
limit = {limit}
if {early}: f(0)
warnings.simplefilter("ignore")  # CPython counts threads that the system has yet to end
held = fill()
for _ in range({free}): os.close(held.pop())
for n in range({calls}):
    f(n)
    g(n)
thread = threading.Thread(target=f, args=(1,))
thread.start()
thread.join()
if os.fork() == 0:
    f(2)
    os._exit(0)
os.wait()
"""


def try_descriptors(figures: Figures, place: Path) -> None:
    for early in (False, True):
        for free in range(4):
            for calls in (1, 100_000):
                text = HUNGRY.format(limit=40, early=early, free=free, calls=calls)
                (place / "app.py").write_text(text + TAIL)
                which = f"{free} left, {calls} calls, {'after' if early else 'before'} the first"
                with figures.one("descriptors used up", which):
                    shutil.rmtree(place / "data", ignore_errors=True)
                    plain = python("app.py", cwd=place)
                    words: list[object] = ["record", "-q", "-o", place / "data", "app.py"]
                    check(command(*words, cwd=place), plain, place / "data", "processes")
    for limit in range(3, 20):
        with figures.one("few descriptors", limit):
            (place / "app.py").write_text(HEAD + PROGRAMS["calls"] + TAIL)
            shutil.rmtree(place / "data", ignore_errors=True)
            prefix = limited("-n", limit)
            plain = python("app.py", cwd=place, prefix=prefix)
            if plain.returncode != 7:
                continue  # Python itself does not start
            words = ["record", "-q", "-o", place / "data", "app.py"]
            done = command(*words, cwd=place, prefix=prefix)
            if done.returncode == 2 and not done.stdout:
                expect(len(our_lines(done.stderr)) == 1, repr(done.stderr))
                continue
            if our_lines(done.stderr) == ["pyftrace: nothing is traced: Too many open files"]:
                as_untraced(done, plain)  # not even its modules could be read
                continue
            check(done, plain, place / "data", "calls")


def main() -> int:
    times = how_many(__doc__, 8)
    figures = DiskFigures("no room for a recording")
    sizes = spread(range(4, 1028, 4), times)
    with folder() as place:
        place = Path(os.path.realpath(place))
        if own_mounts():
            try_sizes(figures, place, sizes)
            try_inodes(figures, place, min(12, max(5, times)))
            try_outputs(figures, place, spread(range(4, 300, 4), times))
        else:
            print("!!!! mounting is not allowed here: only limits are tried !!!!", file=sys.stderr)
        try_file_limits(figures, place, spread(range(0, 2056, 8), times))
        try_descriptors(figures, place)
    return figures.end()


if __name__ == "__main__":
    sys.exit(main())
