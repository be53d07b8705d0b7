"""``pyftrace report``: the table of times of a recording."""

from argparse import Namespace

from pyftrace import _engine
from pyftrace import options as opts
from pyftrace.commands import _common as common
from pyftrace.recording import COLUMNS, SORT, Recording

EXAMPLES = """\
  pyftrace report                            the table, as pyftrace --report prints it
  pyftrace report --columns self,p50,p99     other columns
  pyftrace report --sort p99 --limit 10      the ten with the longest tail
  pyftrace report --per-thread               a table for each thread
"""


def parser() -> common.Parser:
    """What it takes."""
    p = common.parser("report", "Times per function, with percentiles (within 2 %).", EXAMPLES)
    common.add_selection(p)
    p.add_argument("--sort", default="total", metavar="KEY[,KEY]", help=" ".join(SORT.choices))
    p.add_argument(
        "--columns",
        default="self,avg,where",
        metavar="NAME[,NAME]",
        help=" ".join(COLUMNS.choices) + ", all or none",
    )
    p.add_argument("--limit", metavar="N", help="N rows (0: all; 50 on a terminal)")
    p.add_argument(
        "--format", choices=opts.FORMATS, default="table", metavar="FORMAT",
        help="table, json or csv",
    )  # fmt: skip
    p.add_argument("--per-thread", action="store_true", help="a table for each thread")
    p.add_argument("-o", "--output", metavar="FILE", help="write to FILE")
    p.add_argument("--no-pager", action="store_true", help="straight to the terminal")  # fmt: skip
    p.words = {row.dest: row.words for row in (SORT, COLUMNS)}
    return p


def main(words: list[str]) -> int:
    """The exit status."""
    a = parser().parse_args(words)
    return common.run(lambda: _report(a))


def _report(a: Namespace) -> int:
    if a.per_thread and a.format != "table":
        raise opts.OptionError("--per-thread goes with --format table")
    sort, columns = opts.checked(SORT, a.sort), opts.checked(COLUMNS, a.columns)
    patterns, part = common.patterns_of(a), common.part_of(a)
    recording = common.opened(a.dir)
    common.say_absent(recording, part)
    terminal = not a.output and common.on_terminal()
    given = None if a.limit is None else opts.checked_int("--limit", a.limit, least=0)
    limit = given if given is not None else 50 if terminal and a.format == "table" else 0
    progress = common.Progress(recording.events_total())
    taps = []
    with common.output(a.output, not a.no_pager and a.format == "table") as fd:
        out = _engine.Tap("text", fd=fd)
        for heading, thread in _tables(recording, a.per_thread):
            tap = _engine.Tap("report", percentiles=True, **patterns)
            taps.append(tap)
            recording.walk(tap, thread=thread, progress=progress, **part)
            text = tap.render(a.format, sort=sort, columns=columns, limit=limit)
            if heading and tap.calls == 0:
                continue
            out.write(heading + text)
        out.flush()
        progress.end()
    return common.finish(recording, out, *(taps or [out]))


def _tables(recording: Recording, per_thread: bool) -> list[tuple[str, int]]:
    if not per_thread:
        return [("", 0)]
    return [
        (f"\n[{thread['pid']} {thread['name']}] tid {thread['tid']}\n", thread["serial"])
        for thread in recording.threads
    ]
