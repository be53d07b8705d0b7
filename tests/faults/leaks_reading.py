"""The cases of leaks.py that read a recording: every format, every kind of tap, outlines, pages."""

import contextlib
import io
import os
import shutil
from importlib import import_module
from pathlib import Path

from common import Failure, expect
from leaks_traced import case, recorded

import pyftrace
from pyftrace import _engine
from pyftrace.exports import FORMATS, Format, Source
from pyftrace.html.data import Parts

# ---- open ----------------------------------------------------------------------------------------


@case
def open_and_read_everything(place: Path) -> None:
    recording = pyftrace.open(recorded(place))
    expect(len(list(recording.events())) > 10, "few events")
    str(recording.report()), recording.report(sort="self").rows
    list(recording.tree().walk())
    recording.info, recording.damage, recording.failures, recording.threads, repr(recording)


@case
def open_and_leave_in_the_middle(place: Path) -> None:
    events = pyftrace.open(recorded(place)).events()
    next(events), next(events)


@case
def open_errors(place: Path) -> None:
    damaged = place / "damaged"
    if not damaged.exists():
        shutil.copytree(recorded(place), damaged)
        for path in damaged.glob("*.lane"):
            path.write_bytes(path.read_bytes()[:300])
    for path in (damaged, place / "nothing", place):
        with contextlib.suppress(OSError):
            recording = pyftrace.open(path)
            list(recording.events()), recording.report(), recording.tree()
    with contextlib.suppress(TypeError, ValueError):
        pyftrace.open(recorded(place)).report(bogus=1)


# ---- exports -------------------------------------------------------------------------------------


@case
def export_every_format(place: Path) -> None:
    recording = pyftrace.open(recorded(place))
    for name, row in FORMATS.items():
        out = place / "exported"
        export(Source(recording, {}, {}), row, out)
        expect(os.path.getsize(out) > 0, f"{name} wrote nothing")
        shutil.rmtree(out) if out.is_dir() else out.unlink()


def export(source: Source, row: Format, out: Path) -> None:
    """As `pyftrace dump` does."""
    if row.sink and row.to == "path":
        source.walk(_engine.Tap(row.name, folder=str(out)), row.merged)
    elif row.to == "path":
        import_module(f"pyftrace.exports.{row.name}").write(source, str(out))
    elif row.sink:
        with open(out, "wb") as file:
            tap = _engine.Tap(row.name, fd=file.fileno())
            source.walk(tap, row.merged)
        expect(tap.error is None, f"{row.name}: {tap.error}")
    else:
        words = {"mode": "wb"} if row.to == "binary" else {"mode": "w", "encoding": "utf-8"}
        with open(out, **words) as file:
            import_module(f"pyftrace.exports.{row.name}").write(source, file)


@case
def export_errors(place: Path) -> None:
    raw = _engine.Recording(str(recorded(place)))
    for name in ("chrome", "perfetto", "csv"):
        with open("/dev/full", "wb") as file:
            tap = _engine.Tap(name, fd=file.fileno())
            raw.walk(tap)
            tap.flush()
        expect(tap.error is not None, f"{name}: a full disk is not seen")
    with contextlib.suppress(OSError):
        _engine.Tap("uftrace", folder=str(recorded(place)))
        raise Failure("a folder that is there is taken")
    for words in ({}, {"fd": 1, "function": ("[a",)}, {"fd": 1, "bogus": 1}):
        with contextlib.suppress(TypeError, ValueError):
            _engine.Tap("chrome", **words)
            raise Failure(f"{words} is taken")


# ---- what walks a recording ----------------------------------------------------------------------


@case
def walk_into_every_kind_of_tap(place: Path) -> None:
    raw = _engine.Recording(str(recorded(place)))
    found: list[tuple[object, ...]] = []
    for merged, bounds in ((False, True), (True, False)):
        tap = _engine.Tap("events", take=found.extend, bounds=bounds)
        raw.walk(tap, merged=merged)
        tap.flush()
    expect(len(found) > 20, "few events")
    for kind in ("spans", "edges", "tree"):
        tap = _engine.Tap(kind)
        raw.walk(tap)
        expect(getattr(tap, TAKEN[kind])(), f"no {kind}")
    tap = _engine.Tap("text", stream=io.StringIO(), last=5)
    raw.walk(tap, anew=True)
    tap.flush()


TAKEN = {"spans": "spans", "edges": "edges", "tree": "nodes"}


@case
def walk_errors(place: Path) -> None:
    def refuses(events: list[tuple[object, ...]]) -> None:
        raise KeyError("no more")

    raw = _engine.Recording(str(recorded(place)))
    with contextlib.suppress(KeyError):
        tap = _engine.Tap("events", take=refuses)
        raw.walk(tap)
        tap.flush()
        raise Failure("what take raises is dropped")
    for words in ({}, {"take": 3}):
        with contextlib.suppress(TypeError):
            _engine.Tap("events", **words)
            raise Failure(f"{words} is taken")
    for kind in ("tree", "edges", "spans"):
        with contextlib.suppress(ValueError):
            _engine.Tap(kind).attach()
            raise Failure(f"{kind} is attached")


class Sees(io.StringIO):
    """A stream and an exporter at once that keeps its tap: a cycle."""

    tap: _engine.Tap

    def take(self, events: list[object]) -> None:
        pass


@case
def taps_that_what_they_tell_keeps(place: Path) -> None:
    for words in ({"kind": "events"}, {"kind": "text"}):
        seen = Sees()
        seen.tap = _engine.Tap(**words, stream=seen, take=seen.take)


@case
def outlines(place: Path) -> None:
    raw = _engine.Recording(str(recorded(place)))
    wanted = bytes(max(raw.functions()) + 1)[:-1] + b"\1"
    for thread in raw.threads():
        outline = raw.outline(thread["serial"])
        events, _, last = outline.extent()
        rows, over = outline.rows(0, 0, 100, 1 << 30)
        expect(rows and over, "no rows")
        outline.rows(1, rows[0][0] + 1, 3, 5)
        outline.back(0, 0, events, 2), outline.stack(events // 2), outline.place(last)
        outline.find(wanted, 0, events, False, 1 << 30)
        outline.find(wanted, 0, events, True, 3)
    for asked in (lambda: raw.outline(1 << 40), lambda: outline.rows(0, 0, 1)):
        with contextlib.suppress(LookupError, TypeError):
            asked()
            raise Failure("is taken")


@case
def pages(place: Path) -> None:
    recording = pyftrace.open(recorded(place))
    parts = Parts(recording, {"depth": 0}, {"pid": 0, "tid": 0})
    expect(parts.walks() > 0 and parts.table() and parts.tree() and parts.threads(), "no page")
    parts.functions.columns(), parts.functions.strings()
