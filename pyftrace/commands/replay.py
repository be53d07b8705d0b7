"""``pyftrace replay``: the tree of a recording, with durations."""

from argparse import Namespace

from pyftrace import _engine
from pyftrace.commands import _common as common
from pyftrace.options import COLORS, checked_int

EXAMPLES = """\
  pyftrace replay                        the whole tree
  pyftrace replay -f 'Parser.*' -d 3     three levels of what these functions do
  pyftrace replay --min-time 5ms         only calls that took as long
  pyftrace replay --since 2s --until 3s  one second of it
  pyftrace replay --last 40              what happened last, below the calls it lies in
"""


def parser() -> common.Parser:
    """What it takes."""
    p = common.parser("replay", "The tree of a recording, with durations.", EXAMPLES)
    common.add_selection(p)
    p.add_argument(
        "--min-time",
        type=common.duration,
        default=0,
        metavar="TIME",
        help="leave out calls that took less, and what they called: 5us",
    )
    p.add_argument("--last", metavar="N", help="the last N lines, and the calls around them")
    p.add_argument("-p", "--path", action="store_true", help="show files: f@FILE:LINE")
    p.add_argument("-o", "--output", metavar="FILE", help="write to FILE")
    p.add_argument(
        "--color", choices=COLORS, default="auto", metavar="WHEN", help="auto, always or never"
    )
    p.add_argument("--no-pager", action="store_true", help="straight to the terminal")  # fmt: skip
    return p


def main(words: list[str]) -> int:
    """The exit status."""
    a = parser().parse_args(words)
    return common.run(lambda: _replay(a))


def _replay(a: Namespace) -> int:
    patterns, part = common.patterns_of(a), common.part_of(a)
    last = 0 if a.last is None else checked_int("--last", a.last, least=1)
    recording = common.opened(a.dir)
    absent = common.say_absent(recording, part)
    progress = common.Progress(recording.events_total() if a.output else 0)
    with common.output(a.output, not a.no_pager) as fd:
        tap = _engine.Tap(
            "text", fd=fd, args=True, values="safe", time=True, path=a.path,
            color=common.colored(a.color) and not a.output, last=last, **patterns,
        )  # fmt: skip
        recording.walk(tap, merged=True, min_ns=a.min_time, progress=progress, **part)
        tap.flush()
        progress.end()
    if not (tap.lines or absent or tap.unmatched()):
        common.refuse("no calls in scope", 0)
    return common.finish(recording, tap, tap)
