"""What the scripts of faults share: running, reading back, and a table of figures.

Each script takes one number, how many times (`--times`, or PYFTRACE_FAULTS in the environment),
prints its figures and exits 1 when something failed."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

UNWANTED = ("PYTHONUNBUFFERED", "PYFTRACE", "NO_COLOR", "PYTHONPATH", "PYTHONSTARTUP")
PATIENCE = 120  # seconds: what takes longer hangs

Done = subprocess.CompletedProcess[str]


class Failure(Exception):
    """What went wrong, as one line."""


def expect(condition: object, *what: object) -> None:
    """An assertion that -O does not take away."""
    if not condition:
        raise Failure(" ".join(str(part) for part in what))


def arguments(doc: str | None, short: int) -> argparse.ArgumentParser:
    """The command line, whose number is ``times``."""
    parser = argparse.ArgumentParser(
        description=(doc or "").partition("\n\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--times",
        type=int,
        default=int(os.environ.get("PYFTRACE_FAULTS") or short),
        metavar="N",
        help=f"how many times ({short}); PYFTRACE_FAULTS=N says the same",
    )
    return parser


def how_many(doc: str | None, short: int) -> int:
    """The command line's number, where it takes nothing else."""
    return max(1, arguments(doc, short).parse_args().times)


def spread(numbers: Sequence[int], most: int) -> list[int]:
    """At most so many of them, the first ones whole and the rest evenly."""
    if len(numbers) <= most:
        return list(numbers)
    head = most // 4
    step = (len(numbers) - head) / (most - head)
    return [*numbers[:head], *(numbers[head + int(k * step)] for k in range(most - head))]


# ---- running -------------------------------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    """The environment without what would change output, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"} | more


def python(*words: object, cwd: Path, prefix: Sequence[str] = (), **more: str) -> Done:
    """A Python of this installation, to its end; Failure when it hangs."""
    try:
        return subprocess.run(
            [*prefix, sys.executable, *map(str, words)],
            cwd=cwd,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(f"hangs: {error.stderr or b''!r}"[:300]) from None


def pyftrace(*words: object, cwd: Path, prefix: Sequence[str] = (), **more: str) -> Done:
    """The command line."""
    return python("-m", "pyftrace", *words, cwd=cwd, prefix=prefix, **more)


def say_status(status: int) -> str:
    """An exit status in words."""
    return f"status {status}" if status >= 0 else signal.Signals(-status).name


def our_lines(stderr: str) -> list[str]:
    """The lines on standard error that are pyftrace's."""
    return [line for line in stderr.splitlines() if line.startswith("pyftrace: ")]


def others_lines(stderr: str) -> str:
    """Standard error without those."""
    return "".join(x for x in stderr.splitlines(True) if not x.startswith("pyftrace: "))


def as_untraced(done: Done, plain: Done) -> None:
    """The program did not notice."""
    status = say_status(done.returncode)
    wanted = say_status(plain.returncode)
    expect(status == wanted, f"{status}, not {wanted}; {done.stderr[-300:]!r}")
    expect(done.stdout == plain.stdout, f"stdout {done.stdout[-200:]!r}, not {plain.stdout!r}")
    rest = others_lines(done.stderr)
    expect(rest == others_lines(plain.stderr), f"stderr {rest[-300:]!r}")


# ---- figures -------------------------------------------------------------------------------------


class Figures:
    """Rows of how many were tried, how many passed and what failed."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._tried: Counter[str] = Counter()
        self._passed: Counter[str] = Counter()
        self._notes: dict[str, str] = {}
        self._failed: dict[str, list[str]] = {}
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._cut_short)

    def _cut_short(self, signum: int, frame: object) -> None:
        self.end()
        raise SystemExit(128 + signum)

    @contextlib.contextmanager
    def one(self, row: str, which: object = "") -> Iterator[None]:
        """One try; a Failure in it, or what the recording's reader raises, is kept."""
        self._tried[row] += 1
        try:
            yield
            self._passed[row] += 1
        except (Failure, OSError) as error:
            kept = self._failed.setdefault(row, [])
            kept.append(f"{which}: {error}")
            if len(kept) == 1:  # the rest in the table: a night is long
                print(f"{row}: {kept[0]}", file=sys.stderr, flush=True)

    def note(self, row: str, text: str) -> None:
        """A word behind a row."""
        self._tried[row] += 0
        self._notes[row] = text

    def end(self) -> int:
        """Prints the table; the exit status."""
        width = max(map(len, self._tried), default=0)
        print(f"{self._title}:")
        for row, tried in self._tried.items():
            note = f"  ({self._notes[row]})" if row in self._notes else ""
            print(f"  {row:{width}}  {tried:5} tried  {self._passed[row]:5} passed{note}")
        for row, failed in self._failed.items():
            print(f"  FAILED {row}: {len(failed)}")
            for line in failed[:4]:
                print(f"    {line}")
        passed, tried = self._passed.total(), self._tried.total()
        print(f"  together: {passed} of {tried}{'' if passed == tried else ', NOT ALL'}")
        return 0 if passed == tried and tried else 1


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty one, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pyftrace-faults-") as name:
        yield Path(name)
