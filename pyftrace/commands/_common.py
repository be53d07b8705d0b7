"""What the verbs that read a recording share: their options, the pager, progress, errors."""

import argparse
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, NoReturn

from pyftrace import folder
from pyftrace.cli import option_lines
from pyftrace.options import ENDS, OptionError, Row, checked_duration, checked_int, printable
from pyftrace.recording import Recording, checked_span

NOT_ALL = "not all is shown: out of memory"
HELP = ENDS[-1].help


class Parser(argparse.ArgumentParser):
    """One line for a mistake, as everywhere. ``words``: what an option's value may be, where not
    argparse checks that."""

    words: dict[str, tuple[str, ...]]

    def rows(self) -> list[Row]:
        """Its options as rows of a table, those that choose a part first and help last."""
        own, *groups = [g for g in self._action_groups if g is not self._positionals]
        return [
            self._row(action, (group.title or "").capitalize())
            for group, actions in (
                *((group, group._group_actions) for group in groups),
                (own, own._group_actions[1:] + own._group_actions[:1]),
            )
            for action in actions
        ]

    def operands(self) -> list[Row]:
        """What it takes besides options."""
        return [self._row(action, "") for action in self._positionals._group_actions]

    def _row(self, action: argparse.Action, group: str) -> Row:
        kind = "append" if isinstance(action, argparse._AppendAction) else "text"
        metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        flag = action.nargs == 0
        words = tuple(action.choices or self.words.get(action.dest, ()))
        return Row(
            " ".join(action.option_strings),
            action.dest,
            "flag" if flag else kind,
            group,
            action.help or "",
            "" if flag else metavar,
            words,
        )

    def format_help(self) -> str:
        """In the form of pyftrace's own help."""
        operands = [f"  {row.metavar:<32}  {row.help}" for row in self.operands()]
        lines = [f"Usage: {self.usage}", "", self.description or "", "", *operands]
        lines += option_lines((row.group, row, row.help) for row in self.rows())
        lines += ["", self.epilog or ""]
        return "\n".join(lines).rstrip() + "\n"

    def error(self, message: str) -> NoReturn:
        sys.exit(refuse(f"{message} (pyftrace {self.prog.split()[-1]} -h)", 2))


def bare_parser(verb: str, what: str, examples: str, operands: str = "[DIR...]") -> Parser:
    """A parser with examples at its end; ``operands`` as its usage shows them."""
    found = Parser(
        prog=f"pyftrace {verb}",
        usage=f"pyftrace {verb} [options] {operands}",
        description=what,
        epilog="Examples:\n" + examples,
        allow_abbrev=False,
        add_help=False,
    )
    found.add_argument("-h", "--help", action="help", help=HELP)
    found.words = {}
    return found


def parser(verb: str, what: str, examples: str) -> Parser:
    """The same, with DIR."""
    found = bare_parser(verb, what, examples, "[DIR]")
    found.add_argument(
        "dir", nargs="?", default=folder.DEFAULT, metavar="DIR",
        help=f"the recording ({folder.DEFAULT})",
    )  # fmt: skip
    return found


def duration(text: str) -> int:
    """Nanoseconds from 5us, 1.5ms, 2s or plain seconds."""
    try:
        return checked_duration(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_patterns(group: "argparse._ArgumentGroup") -> None:
    """Which functions are looked at."""
    for short, name, dest, what in (
        ("-f", "--function", "function", "these functions and what they call"),
        ("-e", "--exclude-function", "exclude", "not these functions nor what they call"),
        ("-H", "--hide", "hide", "not these functions, but what they call"),
    ):
        group.add_argument(
            short, name, dest=dest, action="append", default=[], metavar="PATTERN", help=what
        )
    group.add_argument("-d", "--depth", metavar="N", help="at most N levels")


def add_selection(p: Parser, patterns: bool = True) -> None:
    """Which part of the recording is looked at."""
    group = p.add_argument_group("which part")
    if patterns:
        add_patterns(group)
    group.add_argument("--pid", help="this process alone")
    group.add_argument("--tid", help="this thread (native id) alone")
    group.add_argument(
        "--since",
        type=duration,
        metavar="TIME",
        help="from TIME after the beginning on: 2s, 150ms",
    )
    group.add_argument("--until", type=duration, metavar="TIME",
                       help="until TIME after the beginning")  # fmt: skip


def patterns_of(a: argparse.Namespace) -> dict[str, Any]:
    """The filter keywords of a Tap."""
    from pyftrace.options import Options

    checked = Options(
        function=tuple(a.function), exclude=tuple(a.exclude), hide=tuple(a.hide), depth=a.depth
    )
    return {name: getattr(checked, name) for name in ("function", "exclude", "hide", "depth")}


def part_of(a: argparse.Namespace) -> dict[str, Any]:
    """The part of a walk."""
    pid, tid = (
        0 if text is None else checked_int(name, text, least=1)
        for name, text in (("--pid", a.pid), ("--tid", a.tid))
    )
    checked_span(a.since, a.until)
    return {"pid": pid, "tid": tid, "since": a.since, "until": a.until}


def say_absent(recording: Recording, part: dict[str, Any]) -> bool:
    """A line when no process or thread of the recording is the one asked for; whether so."""
    pid, tid = part["pid"], part["tid"]
    pids = {process["pid"] for process in recording.processes}
    if pid and pid not in pids:
        refuse(f"no process {pid} in the recording; it has {_some(pids)}", 0)
        return True
    tids = {t["tid"] for t in recording.threads if not pid or t["pid"] == pid}
    if tid and tid not in tids:
        where = f"process {pid}" if pid else "the recording"
        refuse(f"no thread {tid} in {where}; it has {_some(tids)}", 0)
        return True
    return False


def _some(numbers: set[int]) -> str:
    shown = [str(number) for number in sorted(numbers)]
    return ", ".join(shown[:10] + ["..."] * (len(shown) > 10)) or "none"


# ---- running -------------------------------------------------------------------------------------


def run(work: "Callable[[], int]") -> int:
    """The verb's exit status: 0 done, 1 damaged or unreadable, 2 a mistake. What cannot be written
    is said by the command line."""
    try:
        return work()
    except OptionError as error:
        return refuse(str(error), 2)
    except MemoryError:
        return refuse("not enough memory for this recording", 1)


def refuse(message: str, status: int) -> int:
    """One line on standard error."""
    print(f"pyftrace: {printable(message)}", file=sys.stderr)
    return status


def opened(path: str) -> Recording:
    """The recording; SystemExit with one line when there is none."""
    try:
        recording = Recording(path)
    except OSError as error:
        first = error.errno == errno.ENOENT and path == folder.DEFAULT
        more = "; pyftrace record SCRIPT makes it" if first else ""
        refuse(f"cannot read {path}: {error.strerror or error}{more}", 1)
        raise SystemExit(1) from None
    parts = folder.parts(path)
    if len(parts) > 1:
        others = ", ".join([*parts[:6], *["..."] * (len(parts) > 6)])
        refuse(f"{path} holds {len(parts)} recordings ({others}); this is {recording.path}", 0)
    return recording


def status_of(recording: Recording, name: str = "the recording") -> int:
    """1 and a line when it was found damaged; a line when it is incomplete."""
    damage = recording.damage
    if damage:
        more = f" (and {len(damage) - 1} more places)" if len(damage) > 1 else ""
        return refuse(f"{name} is damaged: {damage[0]}{more}", 1)
    why = recording.why_incomplete()
    if why:
        refuse(f"{name} is INCOMPLETE: {why[0]}", 0)
    return 0


def finish(recording: Recording, out: Any, *taps: Any) -> int:
    """After the output: what ``out`` could not write and the taps had no memory for, patterns that
    matched nothing in any of them, damage."""
    error = out.error
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return refuse(f"cannot write: {error.strerror}", 1)
    if error is None and out.lost_lines:
        return refuse(NOT_ALL, 1)
    return finish_reading(recording, *taps)


def finish_reading(recording: Recording, *taps: Any) -> int:
    """The same of what no tap writes."""
    if any(tap.unkept for tap in taps):
        return refuse(NOT_ALL, 1)
    for pattern in taps[0].unmatched():
        if all(pattern in tap.unmatched() for tap in taps):
            refuse(f"warning: nothing matched '{pattern}'{recording.did_you_mean(pattern)}", 0)
    return status_of(recording)


class Progress:
    """A line on standard error that is renewed, from the second second on; only on a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._begin = time.monotonic()
        self._shown = False
        self._on = sys.stderr is not None and sys.stderr.isatty() and not on_terminal()

    def __call__(self, events: int) -> None:
        if self._on and time.monotonic() - self._begin > 1:
            part = f"{min(100, 100 * events // self._total)} %" if self._total else str(events)
            print(f"\rreading: {part} ", end="", file=sys.stderr, flush=True)
            self._shown = True

    def end(self) -> None:
        """Wipe the line."""
        if self._shown:
            print("\r" + " " * 20 + "\r", end="", file=sys.stderr, flush=True)


# ---- where it goes -------------------------------------------------------------------------------


def on_terminal() -> bool:
    """Whether standard output is a terminal; when it is closed it is none."""
    return sys.stdout is not None and sys.stdout.isatty()


def colored(choice: str) -> bool:
    """Whether colours are wanted: NO_COLOR and a dumb terminal are honoured."""
    if choice != "auto":
        return choice == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return on_terminal() and not plain


@contextmanager
def output(file: str | None, pager: bool = True) -> Iterator[int]:
    """The descriptor to write to: FILE, standard output, or a pager in front of a terminal."""
    if file is not None:
        try:
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        except OSError as error:
            raise OptionError(f"cannot write {file}: {error.strerror}") from None
        if fd <= 2:  # a closed standard stream's number: not what is written to that stream
            fd, low = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3), fd
            os.close(low)
        try:
            yield fd
        finally:
            os.close(fd)
        return
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed; use -o FILE")
    sys.stdout.flush()
    command = os.environ.get("PAGER", "less").strip() if pager and sys.stdout.isatty() else ""
    if command in ("", "cat") or shutil.which(command.split()[0]) is None:
        yield 1
        return
    environment = {"LESS": "FRSX"} | os.environ
    with subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the pager's
        try:
            yield process.stdin.fileno()
        finally:
            try:
                process.stdin.close()
            except BrokenPipeError:
                pass
            process.wait()
            signal.signal(signal.SIGINT, before)


def write(text: str, file: str | None, pager: bool) -> None:
    """A whole text to where :func:`output` leads."""
    with output(file, pager) as fd, stream(fd) as out:
        out.write(text)


def stream(fd: int, binary: bool = False) -> IO[Any]:
    """A file over the descriptor, which stays open; a lone surrogate is escaped."""
    if binary:
        return open(fd, "wb", closefd=False)
    return open(fd, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
