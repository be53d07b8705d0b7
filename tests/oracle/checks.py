"""Judges many programs at once: each is run under sys.setprofile and recorded; what else is looked
at goes round, batch by batch."""

from dataclasses import dataclass, field
from typing import Any

import pyftrace
from oracle import grammar, logged, related, watch
from oracle.programs import Program
from oracle.related import difference

BATCH = 25
ROUND = ("tree", "report", "filters", "everything", "beside", "logged")


@dataclass
class Result:
    """What came of some programs; ``failures`` by seed."""

    programs: int = 0
    events: int = 0
    compared: dict[str, int] = field(default_factory=dict)
    failures: dict[int, list[str]] = field(default_factory=dict)

    def fail(self, seed: int, level: str, text: str) -> None:
        self.failures.setdefault(seed, []).append(f"{level}: {text}")

    def count(self, level: str, programs: int) -> None:
        self.compared[level] = self.compared.get(level, 0) + programs

    def add(self, other: "Result") -> None:
        self.programs += other.programs
        self.events += other.events
        for level, programs in other.compared.items():
            self.count(level, programs)
        self.failures |= other.failures


def check(seeds: range, whole: bool = False) -> Result:
    """Some programs, in batches; ``whole``: every batch in every way."""
    total = Result()
    with watch.quiet():
        for first in range(seeds.start, seeds.stop, BATCH):
            batch = range(first, min(first + BATCH, seeds.stop))
            ways = ROUND if whole else (ROUND[first // BATCH % len(ROUND)],)
            total.add(check_batch(batch, ways))
    return total


def check_batch(seeds: range, ways: tuple[str, ...]) -> Result:
    """One batch."""
    result = Result(programs=len(seeds))
    programs = [Program(seed) for seed in seeds]
    profiled = [watch.by_setprofile(program) for program in programs]
    plain = [watch.without_c(streams) for streams in profiled]
    with watch.folder() as folder:
        batch = Batch(result, programs, profiled, plain, folder)
        for way in ("plain", "calls", *ways):
            try:
                getattr(batch, way)()
            except Exception as error:  # of an engine that is broken, one way of failing
                for seed in seeds:
                    result.fail(seed, way, f"{type(error).__name__}: {error}")
            result.count(way, len(programs))
    return result


@dataclass
class Batch:
    """One batch, and each way of looking at it."""

    result: Result
    programs: list[Program]
    profiled: list[dict[str, watch.Stream]]
    without_c: list[dict[str, watch.Stream]]
    folder: Any

    def compare(self, level: str, wanted: list[Any], got: list[Any]) -> None:
        if len(wanted) != len(got):
            for program in self.programs:
                text = f"{len(got)} programs seen, not {len(wanted)}"
                self.result.fail(program.seed, level, text)
            return
        for program, expected, seen in zip(self.programs, wanted, got, strict=True):
            if expected != seen:
                self.result.fail(program.seed, level, difference(expected, seen))

    def recorded(self, level: str, wanted: list[Any], **options: Any) -> list[Any]:
        """L0 and L1 of one recording of all."""
        found = watch.record(self.programs, self.folder / level, **options)
        for program, events in zip(self.programs, found, strict=True):
            why = grammar.broken(events)
            if why:
                self.result.fail(program.seed, f"{level}, grammar", why)
        self.compare(level, wanted, [watch.stream_of(events) for events in found])
        return found

    def plain(self) -> None:
        found = self.recorded("plain", self.without_c)
        self.result.events += sum(len(seen) for events in found for seen in events.values())

    def calls(self) -> None:
        self.recorded("calls", self.profiled, builtins=True)

    def tree(self) -> None:
        self.compare("tree", self.without_c, watch.read_tree(watch.live_tree(self.programs)))

    def report(self) -> None:
        programs = [p for p in self.programs if not p.asyncio]  # what is left over is shared
        profiled = [s for p, s in zip(self.programs, self.without_c, strict=True) if not p.asyncio]
        path = self.folder / "counted"
        watch.record(programs, path)
        for text in related.counts_agree(programs, path, profiled):
            self.result.fail(programs[0].seed, "report", text)  # one for the whole batch

    def filters(self) -> None:
        path = self.folder / "full"
        found = watch.record(self.programs, path)
        for program, events in zip(self.programs, found, strict=True):
            for text in related.filters_agree(program, events, self.folder):
                self.result.fail(program.seed, "filters", text)
        first = self.programs[0].seed
        for chosen in related.choose(first, found[0][watch.MAIN]):
            for text in related.replay_agrees(path, chosen):
                self.result.fail(first, "replay", text)

    def everything(self) -> None:
        """The library's functions and C calls as well."""
        programs = [p for p in self.programs if not p.asyncio and not p.threaded]
        wanted = [watch.by_setprofile(program, everything=True) for program in programs]
        batch = Batch(self.result, programs, wanted, wanted, self.folder)
        batch.recorded("everything", wanted, verbose=2)

    def beside(self) -> None:
        """A second tap that looks on, as a block does, and one that was there before."""
        lines = watch.Lines()
        with (
            pyftrace.report(threads="all", include="*"),
            pyftrace.trace(file=lines, values="none", threads="all", function=watch.FILE + ":f1"),
        ):
            self.recorded("beside", self.without_c)

    def logged(self) -> None:
        """L2: against the programs' own log."""
        programs = [logged.Logged(program.seed) for program in self.programs]
        found = watch.record(programs, self.folder / "logged")
        for program, events in zip(programs, found, strict=True):
            told, seen = program.told(), program.trace(events)
            if told != seen:
                self.result.fail(program.seed, "logged", difference(told, seen))
