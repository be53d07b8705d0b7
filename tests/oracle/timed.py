"""L2 and L3: programs of known.py recorded, reported, shown as a tree. With an engine of the switch
``testclock`` times are compared as well; otherwise only what happened, and in which order."""

import re
import sys
from pathlib import Path

import pyftrace
from oracle import grammar, known, watch
from oracle.related import apart
from oracle.watch import SCOPE
from pyftrace import _engine

tick = getattr(_engine, "advance_clock", None)
UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}


def check(seeds: range) -> dict[int, list[str]]:
    """The differences by seed."""
    failures: dict[int, list[str]] = {}
    with watch.quiet(), watch.folder() as folder:
        for seed in seeds:
            found = check_one(known.Known(seed), folder / str(seed))
            if found:
                failures[seed] = found
    return failures


def check_one(program: known.Known, path: Path) -> list[str]:
    """A recording, a live report, a live tree of one program."""
    main = known.compiled(program, tick or (lambda ns: None))
    wanted = known.timed(program.steps)
    with pyftrace.record(path, **SCOPE):
        main()
    recording = pyftrace.Recording(path)
    failures = events_differ(wanted, recording)
    with pyftrace.report(include=SCOPE["include"], only=SCOPE["only"]) as live:
        main()
    rows = known.report(wanted)
    failures += rows_differ("report", rows, live)
    failures += rows_differ("report of the recording", rows, recording.report())
    lines = watch.Lines()
    with pyftrace.trace(file=lines, time=True, **SCOPE):
        main()
    failures += tree_differs(wanted, "".join(lines.texts).splitlines())
    failures += nodes_differ(wanted, recording)
    return failures


def events_differ(wanted: list[known.Timed], recording: pyftrace.Recording) -> list[str]:
    events = list(recording.events())
    why = grammar.broken({watch.MAIN: events})
    failures = [f"grammar: {why}"] if why else []
    serials = {0: 0}
    begun = events[0].t if events else 0
    got = [
        (e.event, e.function, serials.setdefault(e.activation, len(serials)), e.depth,
         e.t - begun if tick else 0)
        for e in events
    ]  # fmt: skip
    expected = [(e.kind, e.name, e.run, e.depth, e.t if tick else 0) for e in wanted]
    return failures + ([f"events: {apart(expected, got)}"] if got != expected else [])


def rows_differ(what: str, wanted: dict[str, known.Row], report: "pyftrace.Report") -> list[str]:
    got = {
        row.function: known.Row(
            row.calls, row.resumes, row.total_ns, row.self_ns, row.min_ns, row.max_ns
        )
        for row in report.rows
    }
    if tick is None:
        wanted = {
            name: row._replace(total=0, self=0, least=0, most=0) for name, row in wanted.items()
        }
        got = {name: row._replace(total=0, self=0, least=0, most=0) for name, row in got.items()}
    differ = sorted(set(wanted.items()) ^ set(got.items()))
    return [f"{what}: {differ[:4]}"] if differ else []


def tree_differs(wanted: list[known.Timed], lines: list[str]) -> list[str]:
    """The words, the indent, and the duration since the start or resume, to the digits shown."""
    if len(lines) != len(wanted):
        return [f"tree: {len(lines)} lines, not {len(wanted)}"]
    since = []
    for event, line in zip(wanted, lines, strict=True):
        _, sign, name, depth = watch.read_line(line)
        opens = event.kind in known.OPENS
        if (sign, name, depth) != ("+" if opens else "-", event.name, event.depth):
            return [f"tree: {line!r} for {event}"]
        if opens:
            since.append(event.t)
            continue
        lasted = event.t - since.pop()
        shown = re.search(r"  \[([\d.]+) (ns|us|ms|s)\]$", line)
        if shown is None:
            return [f"tree: no duration in {line!r}"]
        digits = len(shown[1].partition(".")[2])
        unit = UNITS[shown[2]]
        if tick and abs(float(shown[1]) * unit - lasted) > unit / 10**digits:
            return [f"tree: {line!r} lasted {lasted} ns"]
    return []


def nodes_differ(wanted: list[known.Timed], recording: pyftrace.Recording) -> list[str]:
    """The aggregated tree: calls and own times by chain of callers."""
    expected: dict[tuple[str, ...], list[int]] = {}
    stack: list[list[int]] = []
    chain: list[str] = []
    for event in wanted:
        if event.kind in known.OPENS:
            chain.append(event.name)
            expected.setdefault(tuple(chain), [0, 0])[0] += event.kind == "start"
            stack.append([event.t, 0])
            continue
        since, called = stack.pop()
        expected[tuple(chain)][1] += event.t - since - called
        chain.pop()
        if stack:
            stack[-1][1] += event.t - since
    got: dict[tuple[str, ...], list[int]] = {}
    path: list[str] = []
    for depth, node in recording.tree().walk():
        path[depth:] = [node.function]
        if depth:
            got[tuple(path[1:])] = [node.calls, node.self_ns]
    if tick is None:
        expected = {key: [calls, 0] for key, (calls, _) in expected.items()}
        got = {key: [calls, 0] for key, (calls, _) in got.items()}
    differ = [key for key in expected | got if expected.get(key) != got.get(key)]
    return [f"graph: {k}: {expected.get(k)}, seen {got.get(k)}" for k in differ[:3]]


def main() -> int:
    """python -m oracle.timed START STOP: the differences; status 1 when there are some."""
    seeds = range(int(sys.argv[1]), int(sys.argv[2]))
    failures = check(seeds)
    for seed, texts in failures.items():
        print(*(f"known {seed}: {text}" for text in texts), sep="\n")
    clock = "with its clock" if tick else "without a clock of its own"
    print(f"{clock}: {len(seeds)} programs, {len(failures)} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
