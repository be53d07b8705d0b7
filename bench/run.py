"""How much tracing costs, beside the least that it can cost and beside other tracers.

    python bench/run.py [--pairs N] [--parts calls,programs,processes] [--only NAME]...
                        [--json FILE] [--instructions]

calls: small workloads; programs: pyperformance's, sqlglot and others, both in one process, every
tracer and the untraced run by turns; processes: commands over whole programs, and start-up. Figures
are medians; compare those of one run with each other, not with another machine's.
"""

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "build" / "bench-packages")]  # bench/fetch's

import modes  # noqa: E402
import processes  # noqa: E402
import programs  # noqa: E402
import targets  # noqa: E402
import tracers  # noqa: E402
import workloads  # noqa: E402
from measure import Measured, Mode, Work, interleaved, long_enough, table  # noqa: E402

FEW = 1000  # calls
PARTS = ("calls", "programs", "processes")


def calls_of(work: Work) -> int:
    """Python calls of a run, resumed ones too, as sys.setprofile sees them."""
    counter = tracers.Count()
    counter.start()
    try:
        work()
    finally:
        counter.stop()
    return counter.events["call"]


def callbacks_of(work: Work) -> dict[str, int]:
    """How often a run calls each kind of tool."""
    profile, trace = tracers.Count(), tracers.CountLines()
    python, c_calls = tracers.CountMonitoring(False), tracers.CountMonitoring(True)
    for counter in (profile, trace, python, c_calls):
        counter.start()
        try:
            work()
        finally:
            counter.stop()
    return {
        "sys.settrace": trace.events.total(),
        "sys.setprofile": profile.events.total(),
        "sys.monitoring, Python functions": python.calls,
        "sys.monitoring, C functions too": c_calls.calls,
    }


def shown(measured: dict[str, Measured], found: list[Mode]) -> str:
    """Modes by workloads: ns added to a call, and the slowdown."""
    rows = [["added to a Python call, ns (times untraced)", *measured]]
    rows.append(["untraced", *(f"{m.median() / m.calls * 1e9:.0f}" for m in measured.values())])

    def cell(m: Measured, mode: str) -> str:
        if mode not in m.seconds:
            return ""
        slowdown = f"({m.slowdown(mode):.2f})"
        # Of a few calls a run nobody pays by the call.
        return f"{m.added_ns(mode):+.0f} {slowdown}" if m.calls >= FEW else slowdown

    rows += [[mode.name, *(cell(m, mode.name) for m in measured.values())] for mode in found]
    kinds = next(iter(measured.values())).callbacks
    counts = [["callbacks a Python call", *measured]]
    counts += [
        [kind, *(f"{m.callbacks[kind] / m.calls:.2f}" for m in measured.values())] for kind in kinds
    ]
    return table(rows) + "\n\n" + table(counts)


def in_process(
    works: dict[str, programs.Factory], found: list[Mode], pairs: int
) -> dict[str, Measured]:
    measured = {}
    for name, make in works.items():
        try:
            work = long_enough(make())
        except ImportError as error:
            print(f"!!!! {name} NOT RUN: {error} !!!!", file=sys.stderr)
            continue
        measured[name] = interleaved(work, found, pairs, calls_of(work))
        measured[name].callbacks = callbacks_of(work)
        print(f"  {name}: {measured[name].median() * 1000:.0f} ms", file=sys.stderr)
    return measured


def by_modes(measured: dict[str, Measured]) -> dict[str, object]:
    """For JSON."""
    return {
        name: {
            "calls": m.calls,
            "callbacks": m.callbacks,
            "untraced_ms": m.median() * 1000,
            "modes": {
                mode: {"added_ns": m.added_ns(mode), "slowdown": m.slowdown(mode)}
                for mode in m.seconds if mode
            },
        }
        for name, m in measured.items()
    }  # fmt: skip


def whole(pairs: int, folder: Path, only: list[str]) -> dict[str, dict[str, processes.Whole]]:
    found = {}
    for name, script in processes.scripts(folder).items():
        if only and name not in only:
            continue
        try:
            tools = found[name] = dict(processes.compare(script, pairs, folder))
        except RuntimeError as error:
            print(f"!!!! {name} NOT RUN: {error} !!!!", file=sys.stderr)
            continue
        rows = [[f"{name}, whole processes", "wall s", "processor s", "ending s", "to show it s",
                 "memory MB", "disk MB"]]  # fmt: skip
        for tool, figures in tools.items():
            f = figures.figures()
            rows.append([tool, *(f"{f[x]:.2f}" for x in ("wall", "cpu", "ending", "shown")),
                         f"{f['memory']:.0f}", f"{f['disk'] / 1e6:.1f}"])  # fmt: skip
        print("\n" + table(rows))
    return found


def start_up(pairs: int, folder: Path) -> dict[str, float]:
    found = processes.start_up(pairs, folder)
    base = found[processes.PLAIN]
    print("\nstart-up, ms:")
    for name, value in found.items():
        print(f"  {name:<30} {value:6.1f}  (+{value - base:.1f})")
    for name, names in processes.imported(folder).items():
        print(f"  {name} imports {len(names)} modules more: {', '.join(names)}")
    return found


# ---- instructions --------------------------------------------------------------------------------


def run_mode(name: str, times: int) -> None:
    """What instructions() counts, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = {mode.name: mode for mode in modes.modes(Path(folder))}
        if name:
            found[name].start()
        for _ in range(times):
            workloads.fib()


def count(mode: str, times: int, floor_folder: Path) -> int:
    """Instructions of a process, by callgrind; the same number from run to run."""
    fixed = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         sys.executable, "-s", __file__, f"--mode={mode}", "--times", str(times)],
        env=fixed | {"PYTHONPATH": str(floor_folder)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    line = next(x for x in done.stderr.splitlines() if "Collected" in x)
    return int(line.rpartition(":")[2].replace(",", ""))


def instructions(names: list[str], folder: Path) -> dict[str, float]:
    """Instructions added per call of fib: what two more runs take, so that start-up is left out."""
    if shutil.which("valgrind") is None:
        print("\ninstructions: valgrind is not installed")
        return {}
    calls = 2 * calls_of(workloads.fib)
    taken = {}
    for name in ("", *names):
        try:
            taken[name] = (count(name, 4, folder) - count(name, 2, folder)) / calls
        except (subprocess.CalledProcessError, StopIteration):
            print(f"!!!! instructions of {name} NOT COUNTED !!!!", file=sys.stderr)
    print(f"\ninstructions per call of fib: untraced {taken['']:.0f}, and added:")
    added = {name: value - taken[""] for name, value in taken.items() if name}
    for name, value in added.items():
        print(f"  {name:<30} {value:6.0f}")
    return added


# ---- the command ---------------------------------------------------------------------------------


def processor() -> str:
    said = Path("/proc/cpuinfo")
    lines = said.read_text().splitlines() if said.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def bench(options: argparse.Namespace, parts: list[str], folder: Path) -> dict[str, object]:
    """All that was asked for: printed, and for JSON."""
    modes.build_floor(folder)
    found = modes.modes(folder)
    result: dict[str, object] = {
        "python": platform.python_version(), "processor": processor(), "pairs": options.pairs,
    }  # fmt: skip
    print(f"python {platform.python_version()}, {processor()}, {options.pairs} pairs, medians")

    def measure(part: str, works: dict[str, programs.Factory]) -> dict[str, Measured]:
        chosen = {k: v for k, v in works.items() if not options.only or k in options.only}
        measured = in_process(chosen, found, options.pairs) if part in parts else {}
        if measured:
            print("\n" + shown(measured, found))
            result[part] = by_modes(measured)
        return measured

    calls = measure("calls", {k: (lambda work=work: work) for k, work in workloads.ALL.items()})
    whole_programs = measure("programs", programs.all_of(folder / "copies"))
    named = {k: m for k, m in whole_programs.items() if k in programs.PYPERFORMANCE}
    rows = [*targets.of_calls(calls | whole_programs), *targets.of_programs(named)]
    if "processes" in parts:
        tools = whole(options.pairs, folder, options.only)
        result["processes"] = {
            name: {tool: w.figures() for tool, w in of.items()} for name, of in tools.items()
        }
        result["start_up_ms"] = milliseconds = start_up(options.pairs, folder)
        rows += [*targets.of_processes(tools), *targets.of_start_up(milliseconds)]
    print("\ntargets:")
    for row in rows:
        print(row)
    result["targets"] = [vars(row) | {"missed": row.missed} for row in rows]
    if options.instructions:
        result["instructions_per_call"] = instructions([mode.name for mode in found], folder)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--parts", default=",".join(PARTS), help="which of the three")
    parser.add_argument("--only", action="append", default=[], help="these workloads or programs")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--instructions", action="store_true", help="by callgrind; minutes")
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mode is not None:
        run_mode(options.mode, options.times)
        return
    parts = options.parts.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        parser.error(f"no part is called {unknown[0]!r}: {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as name:
        result = bench(options, parts, Path(name))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
