"""``pyftrace dump``: a recording in a format of other programs."""

from argparse import Namespace
from importlib import import_module
from typing import Any

from pyftrace import _engine
from pyftrace.commands import _common as common
from pyftrace.exports import FORMATS, Format, Source, checked
from pyftrace.options import OptionError

EXAMPLES = """\
  pyftrace dump | jq -r 'select(.event == "unwind") | .function'
  pyftrace dump --format raw -o events.txt run.data
  pyftrace dump --format folded | flamegraph.pl --countname ns > flame.svg
  pyftrace dump --format uftrace -o app.uftrace      then: uftrace tui -d app.uftrace
"""


def parser() -> common.Parser:
    """What it takes."""
    p = common.parser(
        "dump",
        "A recording as other programs read it: every event, or the calls added up.",
        EXAMPLES + "\nFormats:\n" + _formats(),
    )
    common.add_selection(p)
    p.add_argument("--format", metavar="FORMAT", default="jsonl", help="one of those below (jsonl)")
    p.add_argument("-o", "--output", metavar="FILE", help="write to FILE")
    p.words["format"] = tuple(FORMATS)
    return p


def main(words: list[str]) -> int:
    """The exit status."""
    a = parser().parse_args(words)
    return common.run(lambda: _dump(a))


def _formats() -> str:
    return "".join(f"  {row.name:<11} {row.what}\n" for row in FORMATS.values())


def _dump(a: Namespace) -> int:
    row = checked(a.format)
    patterns, part = common.patterns_of(a), common.part_of(a)
    if row.to == "path" and a.output is None:
        raise OptionError(f"--format {row.name} is written by name: use -o")
    if row.to == "binary" and a.output is None and common.on_terminal():
        raise OptionError(f"--format {row.name} is not for a terminal: use -o FILE")
    recording = common.opened(a.dir)
    common.say_absent(recording, part)
    progress = common.Progress(recording.events_total())
    source = Source(recording, patterns, part, progress)
    if row.to == "path":
        _write_by_name(row, source, a.output)
    else:
        with common.output(a.output, pager=False) as fd:
            _write(row, source, fd)
    progress.end()
    if not source.taps:
        return common.status_of(recording)
    deeper = sum(tap.deeper for tap in source.taps)
    if deeper:
        common.refuse(f"calls deeper than {row.name} knows are left out: {deeper}", 0)
    return common.finish(recording, source.taps[-1], *source.taps)


def _write(row: Format, source: Source, fd: int) -> None:
    if row.sink:
        source.walk(_engine.Tap(row.name, fd=fd, **source.patterns), row.merged)
        return
    with common.stream(fd, row.to == "binary") as out:
        _module(row).write(source, out)


def _write_by_name(row: Format, source: Source, path: str) -> None:
    if not row.sink:
        _module(row).write(source, path)
        return
    try:
        tap = _engine.Tap(row.name, folder=path, **source.patterns)
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}") from None
    source.walk(tap, row.merged)


def _module(row: Format) -> Any:
    return import_module(f"pyftrace.exports.{row.name}")
