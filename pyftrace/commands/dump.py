"""``pyftrace dump``: every event, for other programs."""

from argparse import Namespace

from pyftrace import _engine
from pyftrace.commands import _common as common

EXAMPLES = """\
  pyftrace dump | jq -r 'select(.event == "unwind") | .function'
  pyftrace dump --format raw -o events.txt run.data
"""


def main(words: list[str]) -> int:
    """The exit status."""
    p = common.parser(
        "dump",
        "Every event in order of time: as JSON objects, a line each, or as plain lines.",
        EXAMPLES,
    )
    common.add_selection(p)
    p.add_argument("--format", choices=("jsonl", "raw"), default="jsonl")
    p.add_argument("-o", "--output", metavar="FILE", help="write to FILE")
    a = p.parse_args(words)
    return common.run(lambda: _dump(a))


def _dump(a: Namespace) -> int:
    patterns, part = common.patterns_of(a), common.part_of(a)
    recording = common.opened(a.dir)
    common.say_absent(recording, part)
    progress = common.Progress(recording.events_total())
    with common.output(a.output, pager=False) as fd:
        tap = _engine.Tap(a.format, fd=fd, **patterns)
        recording.walk(tap, merged=True, progress=progress, **part)
        tap.flush()
        progress.end()
    return common.finish(recording, tap, tap)
