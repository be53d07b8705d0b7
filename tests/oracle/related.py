"""L4: what different ways of looking at one program must have in common. The rules of -f, -e, -H
and -d are written here a second time, for a list of events."""

import random
from fnmatch import fnmatchcase
from pathlib import Path

import pyftrace
from oracle import watch
from oracle.programs import Program
from oracle.watch import MAIN, SCOPE, Lines
from pyftrace import _engine
from pyftrace.recording import Event

Row = tuple[str, str, int]  # kind of event, function, depth


def rows(events: list[Event]) -> list[Row]:
    return [(e.event, e.function or "", e.depth) for e in events]


def choose(seed: int, events: list[Event]) -> list[dict]:
    """Filters that leave out a part of the events: options of -H, of -d, of -e, of -f. What
    is named comes early, so that what it does to the rest is seen."""
    r = random.Random(seed)
    names = sorted({e.function or "" for e in events[2 : len(events) // 2] if e.depth > 1})
    deepest = max(event.depth for event in events)

    def some(count: int) -> tuple[str, ...]:
        return tuple("generated:" + name for name in r.sample(names, min(count, len(names))))

    return [
        {"hide": some(2)},
        {
            "depth": r.randrange(2, max(3, deepest - 1)),
            **({"hide": some(1)} if r.random() < 0.3 else {}),
        },
        {"exclude": some(1), **({"hide": some(1)} if r.random() < 0.3 else {})},
        {"function": some(2), **({"exclude": some(1)} if r.random() < 0.3 else {})},
    ]


def matches(patterns: tuple[str, ...], name: str) -> bool:
    texts = name, f"generated:{name}", f"generated.{name}", name.rpartition(".")[2]
    return any(fnmatchcase(text, pattern) for pattern in patterns for text in texts)


def filtered(events: list[Event], chosen: dict) -> list[Row]:
    """The events that a filter leaves, with their new depths."""
    found: list[Row] = []
    stack: list[tuple[bool, bool, bool]] = []
    shown = inside = excluded = 0
    for event in events:
        name = event.function or ""
        if event.event in ("start", "resume", "throw", "c_call"):
            within = matches(chosen.get("function", ()), name)
            without = matches(chosen.get("exclude", ()), name)
            inside += within
            excluded += without
            show = (
                not excluded
                and not matches(chosen.get("hide", ()), name)
                and not (chosen.get("depth") and shown >= chosen["depth"])
                and (inside > 0 or not chosen.get("function"))
            )
            if show:
                found.append((event.event, name, shown))
                shown += 1
            stack.append((show, within, without))
        else:
            show, within, without = stack.pop()
            inside -= within
            excluded -= without
            if show:
                shown -= 1
                found.append((event.event, name, shown))
    return found


def replayed(path: Path, **chosen: object) -> list[str]:
    """The tree of a recording."""
    lines = Lines()
    tap = _engine.Tap("text", stream=lines, values="none", **chosen)
    pyftrace.Recording(path).walk(tap, merged=True)
    return "".join(lines.texts).splitlines()


def verbs(lines: list[str]) -> list[str]:
    """A tree without the lines that call, which a plain recording has not."""
    return [line.partition(" from ")[0] for line in lines]


def filters_agree(program: Program, full: dict[str, list[Event]], folder: Path) -> list[str]:
    """A filter at recording and on the list of all events leave the same; the live tree has it in
    the same words."""
    failures = []
    for number, chosen in enumerate(choose(program.seed, full[MAIN])):
        wanted = {thread: filtered(seen, chosen) for thread, seen in full.items()}
        path = folder / f"{program.seed}.{number}"
        main = program.space()["main"]
        with pyftrace.record(path, threads="all", **SCOPE, **chosen):
            main()
        got: dict[str, list[Row]] = {thread: [] for thread in wanted}
        for event in pyftrace.Recording(path).events():
            row = event.event, event.function or "", event.depth
            got.setdefault(event.thread_name, []).append(row)
        if got != wanted:
            failures.append(f"recorded with {chosen}: {difference(wanted, got)}")
        if number == program.seed % 4 and not program.threaded and not program.asyncio:
            tree, replay = verbs(watch.live_tree([program], **chosen)), replayed(path)
            if tree != replay:
                failures.append(f"live tree with {chosen}, its replay: {apart(tree, replay)}")
    return failures


def replay_agrees(path: Path, chosen: dict) -> list[str]:
    """Replay of a recording of all, filtered, is the filter of the events of all."""
    lines = replayed(path, **chosen)
    events: dict[str, list[Event]] = {}
    for event in pyftrace.Recording(path).events():
        events.setdefault(event.thread_name, []).append(event)
    wanted = {name: filtered(seen, chosen) for name, seen in events.items()}
    signed = {
        name: [(watch.SIGN[kind], function, depth) for kind, function, depth in seen]
        for name, seen in wanted.items()
        if seen
    }
    got: dict[str, list[tuple[str, str, int]]] = {}
    for line in lines:
        thread, sign, name, depth = watch.read_line(line)
        got.setdefault(thread, []).append((sign, name, depth))
    return [] if got == signed else [f"replay with {chosen}: {difference(signed, got)}"]


def difference(wanted: dict, got: dict) -> str:
    """The first place where two streams by thread differ."""
    if set(wanted) != set(got):
        return f"threads {sorted(wanted)} expected, {sorted(got)} seen"
    for thread, stream in wanted.items():
        if stream != got[thread]:
            return f"{thread}: {apart(stream, got[thread])}"
    return "none"


def apart(wanted: list, got: list) -> str:
    """The first place where two lists differ."""
    at = next((i for i, (a, b) in enumerate(zip(wanted, got, strict=False)) if a != b), None)
    at = min(len(wanted), len(got)) if at is None else at
    return (
        f"entry {at} of {len(wanted)} and {len(got)}: expected {wanted[max(0, at - 3) : at + 4]},"
        f" seen {got[max(0, at - 3) : at + 4]}"
    )


def counts_agree(programs: list[Program], path: Path, profiled: list[dict]) -> list[str]:
    """The live report, the report of a recording and setprofile count alike."""
    tap = watch.tapped("report", programs)
    live = {row[:6]: row[6:8] for row in tap.rows()}
    recorded = pyftrace.Recording(path).report()
    loaded = {row[:6]: row[6:8] for row in recorded._tap.rows()}
    failures = []
    if live != loaded:
        failures.append(
            f"reports: live and recorded differ in {set(live.items()) ^ set(loaded.items())}"
        )
    entered: dict[str, int] = {}
    for streams in profiled:
        for stream in streams.values():
            for sign, name in stream:
                if sign == "+":
                    entered[name] = entered.get(name, 0) + 1
    counted: dict[str, int] = {}
    for row, (calls, resumes) in live.items():
        counted[row[0]] = counted.get(row[0], 0) + calls + resumes
    if counted != entered:
        failures.append(f"report: counts differ in {set(counted.items()) ^ set(entered.items())}")
    return failures


def ring_is_a_suffix(seeds: range, size: int = 256 << 10) -> list[str]:
    """A ring keeps the end of what a recording without one has, and counts what it let go of."""
    programs = [p for p in map(Program, seeds) if not p.threaded and not p.asyncio]
    mains = [program.space()["main"] for program in programs]

    def run(times: int = 40) -> None:
        for _ in range(times):
            for main in mains:
                main()

    with watch.quiet(), watch.folder() as folder:
        run(1)  # what a program caches it calls the first time alone
        for name, options in (("full", {}), ("ring", {"ring": size})):
            with pyftrace.record(folder / name, **SCOPE, **options):
                run()
        full = rows(list(pyftrace.Recording(folder / "full").events()))
        ring = pyftrace.Recording(folder / "ring")
        kept = rows([event for event in ring.events() if event.event != "lost"])
        missing = ring.missing()
    if not 0 < len(kept) < len(full):
        return [f"ring: {len(kept)} events of {len(full)} kept: nothing is shown"]
    if kept != full[-len(kept) :]:
        return [f"ring: not the end: {apart(full[-len(kept) :], kept)}"]
    if missing != len(full) - len(kept):
        return [f"ring: {missing} missing, not {len(full) - len(kept)}"]
    return []
