"""``pyftrace html``: a recording, or what differs between two, as a page for a browser."""

import os
from argparse import Namespace
from typing import Any

from pyftrace.commands import _common as common
from pyftrace.commands import diff
from pyftrace.commands.info import size
from pyftrace.compare import Comparison
from pyftrace.folder import DEFAULT
from pyftrace.html import data, page
from pyftrace.options import OptionError, shell_word

OUTPUT = "pyftrace.html"
EXAMPLES = f"""\
  pyftrace html                              {OUTPUT}, of {DEFAULT}
  pyftrace html -o report.html run.data      another recording, to another file
  pyftrace html --since 2s --until 3s        one second of it
  pyftrace html -f query -d 8                this function and what it calls, 8 levels
  pyftrace html --diff before.data after.data -o diff.html
                                             what takes longer, and what is new
"""


def parser() -> common.Parser:
    """What it takes."""
    p = common.bare_parser(
        "html",
        "One HTML file that needs no network: a flame graph, a table of functions with\n"
        "callers and callees, a timeline, and what info says. With --diff a flame graph\n"
        "and a table of what differs between recordings.",
        EXAMPLES,
    )
    p.add_argument(
        "dirs", nargs="*", metavar="DIR", help=f"the recording ({DEFAULT}); with --diff as for diff"
    )
    common.add_selection(p)
    p.add_argument("--diff", action="store_true", help="compare A and B, as pyftrace diff does")
    p.add_argument(
        "-o", "--output", metavar="FILE", default=OUTPUT, help=f"write to FILE ({OUTPUT})"
    )
    p.add_argument("-q", "--quiet", action="store_true", help="no closing line")
    return p


def main(words: list[str]) -> int:
    """The exit status."""
    a = parser().parse_intermixed_args(diff.marked(words))
    return common.run(lambda: _diff(a) if a.diff else _html(a))


def _html(a: Namespace) -> int:
    if len(a.dirs) > 1:
        raise OptionError("html takes one recording; to compare two: --diff A B")
    patterns, part = common.patterns_of(a), common.part_of(a)
    recording = common.opened(a.dirs[0] if a.dirs else DEFAULT)
    common.say_absent(recording, part)
    parts = data.Parts(recording, patterns, part)
    progress = parts.progress = common.Progress(parts.walks())
    content = data.recorded(recording, parts, _chosen(a))
    progress.end()
    _write(a, content)
    return common.finish_reading(recording, *parts.taps)


def _diff(a: Namespace) -> int:
    if any((a.pid, a.tid, a.since, a.until)):
        raise OptionError("--diff compares whole recordings: no --pid, --tid, --since or --until")
    names = diff.sides(a.dirs)
    filters = common.patterns_of(a)
    filters["depth"] = filters["depth"] or None
    before, after = ([common.opened(name) for name in side] for side in names)
    every = [*before, *after]
    progress = common.Progress(2 * sum(each.events_total() for each in every))
    found = Comparison(before, after, filters, progress)
    content = data.compared(found, (before, after), _chosen(a))
    progress.end()
    _write(a, content)
    return diff.state([*names[0], *names[1]], every, found.unmatched(), limits=False)


def _chosen(a: Namespace) -> str:
    """The options that choose a part, as they could be typed."""
    words: list[str] = []
    for option, patterns in (("-f", a.function), ("-e", a.exclude), ("-H", a.hide)):
        words += [f"{option} {shell_word(pattern)}" for pattern in patterns]
    rest: tuple[tuple[str, Any], ...] = (
        ("-d", a.depth), ("--pid", a.pid), ("--tid", a.tid),
        ("--since", a.since and _exactly(a.since)), ("--until", a.until and _exactly(a.until)),
    )  # fmt: skip
    words += [f"{option} {value}" for option, value in rest if value]
    return " ".join(words)


def _exactly(ns: int) -> str:
    units = (("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))
    return next(f"{ns // factor}{unit}" for unit, factor in units if ns % factor == 0)


def _write(a: Namespace, content: dict[str, Any]) -> None:
    with common.output(a.output, pager=False) as fd:
        with common.stream(fd) as out:
            out.writelines(page(content))
        written = os.fstat(fd).st_size
    if not a.quiet:
        common.refuse(f"{a.output} written, {size(written)}: open it in a browser", 0)
