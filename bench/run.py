"""How much tracing costs, against an empty run, the floor, cProfile and a pure-Python tracer.

    python bench/run.py [--pairs N] [--json FILE] [--only WORKLOAD] [--instructions]

Every mode and the empty run alternate within one process, so that a machine that changes its speed
does not change the ratios; each figure is the median over the pairs.
"""

import argparse
import cProfile
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import baseline_python  # noqa: E402
import workloads  # noqa: E402

FLOOR_ID = 5  # pyftrace takes 3, baseline_python 4

Mode = tuple[Callable[[], None], Callable[[], None]]


def build_floor(folder: Path) -> None:
    """Build ft_floor into `folder` and make it importable."""
    subprocess.run(
        [sys.executable, HERE / "floor" / "setup.py", "-q", "build_ext", "--build-lib", folder,
         "--build-temp", folder / "tmp"],
        check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    sys.path.insert(0, str(folder))


def floor(kind: str) -> Mode:
    import ft_floor

    def start() -> None:
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(FLOOR_ID, "floor")
        for name in ("PY_START", "PY_RETURN", "PY_RESUME", "PY_YIELD", "PY_UNWIND", "PY_THROW"):
            sys.monitoring.register_callback(FLOOR_ID, getattr(events, name), ft_floor.make(kind))
        sys.monitoring.set_events(
            FLOOR_ID,
            events.PY_START | events.PY_RETURN | events.PY_RESUME | events.PY_YIELD
            | events.PY_UNWIND | events.PY_THROW,
        )  # fmt: skip

    def stop() -> None:
        sys.monitoring.set_events(FLOOR_ID, 0)
        sys.monitoring.free_tool_id(FLOOR_ID)

    return start, stop


def ours(kind: str, **options: object) -> Mode:
    from pyftrace import _boot, _engine

    _engine.set_paths(_boot.library_folders(), _boot.own_folders())
    tap = _engine.Tap(kind, **options)  # type: ignore[arg-type]
    return tap.attach, tap.detach


def recording(folder: Path) -> Mode:
    """All runs go into one recording."""
    from pyftrace import _engine

    where = str(folder / "run.data")
    run = _engine.create_run(where, os.getpid())
    return ours("record", folder=where, run=run, values="none")


def emptied(mode: Mode, file: Path) -> Mode:
    """The mode, its file cut back to nothing after each run: else the disk's speed is measured."""
    start, stop = mode

    def stop_and_cut() -> None:
        stop()
        os.truncate(file, 0)

    return start, stop_and_cut


def modes(folder: Path) -> dict[str, Mode]:
    profile = cProfile.Profile(builtins=False)
    tree, python = folder / "tree.txt", folder / "python.txt"
    text = baseline_python.TextTracer(str(python), str(HERE))
    report = baseline_python.ReportTracer(str(HERE))
    off = baseline_python._switch_off  # text.stop would close the file
    return {
        "empty callbacks": floor("empty"),
        "floor: with a clock": floor("clock"),
        "pyftrace --report": ours("report"),
        "pyftrace record": recording(folder),
        "pyftrace -o FILE": emptied(ours("text", file=str(tree), values="none"), tree),
        "cProfile": (profile.enable, profile.disable),
        "pure Python, report": (report.start, report.stop),
        "pure Python, text": emptied((text.start, off), python),
    }


def once(work: Callable[[], int]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(work: Callable[[], int], found: dict[str, Mode], pairs: int) -> dict[str, list[float]]:
    """Seconds per run by mode, and of the empty runs between them."""
    times: dict[str, list[float]] = {"untraced": []} | {name: [] for name in found}
    once(work)
    for _ in range(pairs):
        for name, (start, stop) in found.items():
            once(work)  # the first run after each switch changes the code's instructions
            times["untraced"].append(once(work))
            start()
            try:
                once(work)
                times[name].append(once(work))
            finally:
                stop()
    return times


def table(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in
                  enumerate(zip(row, widths, strict=True)))
        for row in rows
    )  # fmt: skip


def in_process(pairs: int, only: str | None, folder: Path) -> dict[str, dict[str, float]]:
    found = modes(folder)
    result: dict[str, dict[str, float]] = {}
    names = [name for name in workloads.ALL if only in (None, name)]
    rows = [["added per call, ns (x of untraced)", *names]]
    measured = {name: measure(workloads.ALL[name], found, pairs) for name in names}
    for mode in ("untraced", *found):
        row = [mode]
        for name in names:
            calls = workloads.ALL[name]()
            base = statistics.median(measured[name]["untraced"])
            took = statistics.median(measured[name][mode])
            added = (took - base) / calls * 1e9
            result.setdefault(mode, {})[name] = added
            per_call = f"{took / calls * 1e9:.0f}" if mode == "untraced" else f"+{added:.0f}"
            row.append(f"x{took / base:.2f}" if calls == 1 else f"{per_call} (x{took / base:.2f})")
        rows.append(row)
    print(table(rows))
    return result


def start_up(pairs: int, folder: Path) -> dict[str, float]:
    """Whole processes over an empty program, ms."""
    script = folder / "empty.py"
    script.write_text("")
    commands = {
        "python empty.py": [sys.executable, script],
        "pyftrace empty.py": [sys.executable, "-m", "pyftrace", "-q", script],
        "python -m cProfile empty.py": [sys.executable, "-m", "cProfile", script],
    }
    env = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(pairs):
        for name, command in commands.items():
            begin = time.perf_counter()
            # Elsewhere: in a clone's root -m would find the sources, perhaps not yet compiled.
            subprocess.run(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, check=True)
            times[name].append((time.perf_counter() - begin) * 1000)
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = medians["python empty.py"]
    print("\nstart-up, ms:")
    for name, value in medians.items():
        print(f"  {name:<30} {value:6.1f}  (+{value - base:.1f})")
    return medians


def run_mode(name: str, times: int) -> None:
    """What instructions() counts, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = modes(Path(folder))
        if name != "untraced":
            found[name][0]()
        for _ in range(times):
            workloads.fib()


def count(mode: str, times: int, floor_folder: Path) -> int:
    """Instructions of a process, by callgrind; the same number from run to run."""
    fixed = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         sys.executable, "-s", __file__, "--mode", mode, "--times", str(times)],
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
    calls = 2 * workloads.fib()
    taken = {
        name: (count(name, 4, folder) - count(name, 2, folder)) / calls
        for name in names
    }
    print(f"\ninstructions per call of fib: untraced {taken['untraced']:.0f}, and added:")
    added = {name: value - taken["untraced"] for name, value in taken.items()}
    for name in list(added)[1:]:
        print(f"  {name:<30} {added[name]:6.0f}")
    return added


def ratio(row: dict[str, dict[str, float]], mode: str, other: str) -> float:
    return row[mode]["fib"] / row[other]["fib"]


def targets(ns: dict[str, dict[str, float]], start_up_ms: dict[str, float]) -> None:
    """What is promised of fib's calls and of start-up, and what came."""
    if "fib" not in ns["untraced"]:
        return
    old = sys.version_info < (3, 13)
    line = ns["pyftrace -o FILE"]["fib"] / 2
    python = ns["pure Python, text"]["fib"] / 2
    base = start_up_ms["python empty.py"]
    started = start_up_ms["pyftrace empty.py"] - base
    profiled = start_up_ms["python -m cProfile empty.py"] - base
    rows = [
        ("record, of the floor", ratio(ns, "pyftrace record", "floor: with a clock"), 1.25),
        ("record, of cProfile", ratio(ns, "pyftrace record", "cProfile"), 0.55 if old else 0.4),
        ("report, of the floor", ratio(ns, "pyftrace --report", "floor: with a clock"), 1.4),
        ("report, of cProfile", ratio(ns, "pyftrace --report", "cProfile"), 0.55 if old else 0.45),
        ("a line into a file, ns", line, 150 if sys.version_info < (3, 14) else 120),
        ("a line, of pure Python's", line / python, 0.4),
        ("start-up, of cProfile's", started / profiled, 1.0),
    ]
    print("\ntargets:")
    for what, value, limit in rows:
        verdict = "" if value <= limit else "  MISSED"
        print(f"  {what:<30} {value:8.2f}  (at most {limit}){verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--only", choices=list(workloads.ALL))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--instructions", action="store_true", help="by callgrind; minutes")
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mode:
        run_mode(options.mode, options.times)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_floor(folder)
        print(f"python {sys.version.split()[0]}, {options.pairs} pairs, medians\n")
        ns = in_process(options.pairs, options.only, folder)
        ms = start_up(options.pairs, folder)
        targets(ns, ms)
        result: dict[str, object] = {"python": sys.version, "ns_per_call": ns, "start_up_ms": ms}
        if options.instructions:
            result["instructions_per_call"] = instructions(list(ns), folder)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
