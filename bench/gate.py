"""The gate of speed: what tracing adds to an event, counted, against bench/budget.json.

    python bench/gate.py [--only WORKLOAD] [--mode MODE] [--json FILE] [--update | --prove]

Counted are instructions (callgrind, traced less untraced), bytes on disk, system calls (strace) and
the extension's allocations (tests/faults/shim.c), by workload and mode. Exit status 1: something
costs more than 1 % above its budget, or does not build; 2: there is no budget for this Python,
machine and compiler, or nothing to count with. --prove builds worse engines and expects that they
are caught.

The engine is built aside with a clock that is none: it moves at each look by steps that only depend
on how often it was looked at. All else is the release.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUDGET = HERE / "budget.json"
# Not a temporary one: the length of its name would be another one from run to run.
FOLDER = ROOT / "build" / "gate"

WORKLOADS = ("fib", "methods", "c calls", "generators", "coroutines", "exceptions", "recursion")
MODES = ("record", "report", "text")
FIGURES = ("instructions", "bytes", "syscalls", "allocations")
TOLERANCE = 0.01
YARDSTICK = 0.02  # the interpreter: beyond that another build; addresses alone move it by 1.2 %
LAYOUTS = 3  # of memory: the least counts, as addresses alone move a figure by a few per cent
LENGTHS = (3, 9)  # runs of a workload: what both have in common is subtracted

Measured = dict[str, dict[str, float]]  # by mode and figure
Figures = dict[str, Measured]  # by workload

# The C library chooses memcpy() and its like by processor: here always the plainest.
PLAIN = "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM"
FIXED = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "GLIBC_TUNABLES": PLAIN}

# Steps of 1 to 1021 ticks, each once in 256 looks; three ticks are a nanosecond, so that one event
# in 64 is too late for its time to be in the first byte. As many instructions as the real clock's
# and three more. Whoever asks for CLOCK_MONOTONIC comes back a millisecond later.
CLOCK = (
    (
        "base/clock.h",
        "ft_clock_counter(void)\n{\n",
        "ft_clock_counter(void)\n{\n"
        '    extern uint64_t gate_ticks __attribute__((visibility("hidden")));\n'
        "    return gate_ticks += (4 * gate_ticks + 1) & 1023;\n",
    ),
    (
        "base/clock.c",
        "struct ft_clock ft_clock;\n",
        "struct ft_clock ft_clock;\nuint64_t gate_ticks;\n",
    ),
    (
        "base/clock.c",
        "    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;",
        "    extern uint64_t gate_ticks;\n    return (gate_ticks += 3072000) / 3 + 1000000000u;",
    ),
    (
        "base/clock.c",
        "    unsigned a, b, c, d;\n"
        "    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));",
        "    return true;",
    ),
)

LEAVE = "    t->top--;\n"
SINCE = "    return now - lane->last;\n"
SHORT = "    if (*delta < FT_DELTA_MORE) {\n        return q;\n    }\n"

Change = tuple[str, str, str]


class NotRun(Exception):
    """Why nothing is judged here, as one line."""


class Broken(Exception):
    """What does not work, as one line."""


# ---- building ------------------------------------------------------------------------------------


def changed(source: Path, changes: Iterable[Change]) -> None:
    """An exact text and what stands in its place: it must be there once."""
    for file, old, new in changes:
        path = source / file
        text = path.read_text()
        if text.count(old) != 1:
            raise Broken(f"{file} has {text.count(old)} times, not once: {old.strip()}")
        path.write_text(text.replace(old, new))


def build(folder: Path, changes: tuple[Change, ...] = ()) -> Path:
    """The package in a folder of its own, with the gate's clock and these changes."""
    shutil.rmtree(folder, ignore_errors=True)
    lib = folder / "lib"
    ignore = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignore)
    shutil.copytree(ROOT / "pyftrace", folder / "pyftrace", ignore=ignore)
    shutil.copytree(ROOT / "pyftrace", lib / "pyftrace", ignore=ignore)
    for file in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, folder)
    for file in ("workloads.py", "gate_work.py"):
        shutil.copy(HERE / file, lib)
    changed(folder / "src", (*CLOCK, *changes))
    unwanted = ("CFLAGS", "CPPFLAGS", "LDFLAGS", "PYFTRACE_BUILD", "PYFTRACE", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    call(
        sys.executable, "setup.py", "-q", "build_ext", "--build-lib", "lib", "--build-temp", "tmp",
        cwd=folder, env=env,
    )  # fmt: skip
    call(*compiler(), "-shared", "-fPIC", "-O1", str(ROOT / "tests" / "faults" / "shim.c"), "-o",
         "lib/shim.so", "-ldl", cwd=folder)  # fmt: skip
    call(sys.executable, "-m", "compileall", "-q", ".", cwd=lib)
    return lib


def call(*words: str, **how: object) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, **how)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise Broken(f"{shlex.join(words)}: status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def compiler() -> list[str]:
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def who() -> str:
    """What the figures depend on, beside the engine."""
    cc = compiler()[0]
    version = call(cc, "-dumpfullversion", "-dumpversion").split()[0]
    python = f"CPython {platform.python_version()}{sys.abiflags}"
    return f"{python}, {platform.machine()}, {Path(cc).name} {version}"


# ---- counting ------------------------------------------------------------------------------------


def work(lib: Path, *words: object, prefix: tuple[str, ...] = (), **env: str) -> str:
    """gate_work.py, by the Python behind the virtual environment, whose place does not count."""
    for old in [*lib.glob("run.*"), *lib.glob("old.*"), *lib.glob("marks.*")]:
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    return call(
        *prefix, sys._base_executable, "-s", "-S", "gate_work.py", *map(str, words),
        cwd=lib, env=FIXED | env,
    )  # fmt: skip


def marked(marks: int, modes: tuple[str, ...]) -> None:
    """Nobody else may call what we mark with."""
    if marks != 2 * len(modes):
        raise Broken(f"{marks} marks for {len(modes)} modes")


def instructions(
    lib: Path, workload: str, modes: tuple[str, ...], layout: int = 0
) -> dict[str, int]:
    """Between the marks of each mode."""
    out = lib.parent / "callgrind.out"
    for old in out.parent.glob(f"{out.name}*"):
        old.unlink()
    work(lib, "marks", workload, *modes, prefix=(
        "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-before=getsid",
    ), GATE_LAYOUT=str(layout))  # fmt: skip
    parts = len([*out.parent.glob(f"{out.name}.*")])
    marked(parts, modes)
    found = {}
    for i, mode in enumerate(modes):
        text = Path(f"{out}.{2 * i + 2}").read_text()
        found[mode] = next(int(x[8:]) for x in text.splitlines() if x.startswith("totals:"))
    return found


def syscalls(lib: Path, workload: str, modes: tuple[str, ...]) -> dict[str, int]:
    log = lib.parent / "strace.log"
    work(lib, "marks", workload, *modes, prefix=("strace", "-f", "-qq", "-o", str(log)))
    parts = [0]
    for line in log.read_text().splitlines():
        if " getsid(" in line:
            parts.append(0)
        elif "(" in line and " resumed>" not in line:  # no signal, no second half of a line
            parts[-1] += 1
    marked(len(parts) - 1, modes)
    return {mode: parts[2 * i + 1] for i, mode in enumerate(modes)}


def allocations(lib: Path, workload: str, mode: str) -> int:
    """What the longer run takes more."""
    taken = []
    log = lib.parent / "shim.log"
    for times in LENGTHS:
        log.unlink(missing_ok=True)
        work(lib, "run", workload, mode, times, LD_PRELOAD=str(lib / "shim.so"), FAIL="malloc:0",
             FAIL_LOG=str(log))  # fmt: skip
        taken.append(int(log.read_text()))
    if taken[0] == 0:
        raise Broken("tests/faults/shim.c sees none of the extension's allocations")
    return taken[1] - taken[0]


def measured_events(events: float) -> float:
    """Those of gate_work.MEASURED runs."""
    return events * 3 / (LENGTHS[1] - LENGTHS[0])


def instructions_an_event(taken: dict[str, int], events: float) -> dict[str, float]:
    """By mode: of the untraced run all, of the others what they take more."""
    share, base = measured_events(events), taken["untraced"]
    return {
        mode: round(count / share, 3) if mode == "untraced" else round((count - base) / share, 6)
        for mode, count in taken.items()
    }


def in_layout(found: Measured, layout: int, lib: Path, workload: str) -> Measured:
    """The same with the instructions of another layout of memory."""
    taken = instructions(lib, workload, tuple(found), layout)
    counted = instructions_an_event(taken, found["untraced"]["events"])
    return {mode: of | {"instructions": counted[mode]} for mode, of in found.items()}


def least(found: Measured, other: Measured) -> Measured:
    return {
        mode: figures | {"instructions": min(figures["instructions"], other[mode]["instructions"])}
        for mode, figures in found.items()
    }


def measure(lib: Path, workload: str, modes: tuple[str, ...]) -> Measured:
    """Figures by mode, each an event; of the untraced run what all others are held against."""
    lines = work(lib, "sizes", workload, *LENGTHS).splitlines()
    short, long = ([int(word) for word in line.split()] for line in lines)
    events, recorded, written = (b - a for a, b in zip(short, long, strict=True))
    share = measured_events(events)
    all_modes = ("untraced", *modes)
    taken = instructions_an_event(instructions(lib, workload, all_modes), events)
    called = syscalls(lib, workload, all_modes)
    found: Measured = {"untraced": {"events": events, "instructions": taken["untraced"]}}
    for mode in modes:
        figures = {
            "instructions": taken[mode],
            "bytes": {"record": recorded, "text": written, "report": 0}[mode] / events,
            "syscalls": (called[mode] - called["untraced"]) / share,
            "allocations": allocations(lib, workload, mode) / events,
        }
        found[mode] = {name: round(value, 6) for name, value in figures.items()}
    return found


# ---- judging -------------------------------------------------------------------------------------


def is_same_interpreter(found: Measured, budget: Measured) -> bool:
    base, yard = (figures["untraced"]["instructions"] for figures in (found, budget))
    return abs(base / yard - 1) <= YARDSTICK


def checked(lib: Path, workload: str, modes: tuple[str, ...], budget: Figures) -> Measured:
    """What is within the budget in one layout of memory is; other layouts are tried if not."""
    found = measure(lib, workload, modes)
    for layout in range(1, LAYOUTS):
        same = is_same_interpreter(found, budget[workload])
        if same and not compare(workload, {workload: found}, budget)[0]:
            break
        other = in_layout(found, layout, lib, workload)
        if not same:
            found = other
        elif is_same_interpreter(other, budget[workload]):
            found = least(found, other)
    return found


def budgeted(lib: Path, workload: str, modes: tuple[str, ...]) -> Measured:
    """For a budget: the least of every layout."""
    found = measure(lib, workload, modes)
    for layout in range(1, LAYOUTS):
        untraced = found["untraced"]
        found = least(found, in_layout(found, layout, lib, workload)) | {"untraced": untraced}
    return found


def compare(workload: str, found: Figures, budget: Figures) -> tuple[list[str], list[str]]:
    """What is above the budget and what is below it."""
    above, below = [], []
    measured, allowed = found[workload], budget[workload]
    base, yard = measured["untraced"]["instructions"], allowed["untraced"]["instructions"]
    if not is_same_interpreter(measured, allowed):
        raise NotRun(
            f"{workload} untraced takes {base:.1f} instructions an event, with the budget's"
            f" interpreter {yard:.1f}: another build of CPython, or another workload"
        )
    # One call more or less may be a buffer's last line.
    one = 2.5 / measured["untraced"]["events"]
    for mode in [mode for mode in MODES if mode in measured]:
        for figure in FIGURES:
            value, limit = measured[mode][figure], allowed[mode][figure]
            slack = limit * TOLERANCE
            if figure in ("syscalls", "allocations"):
                slack = max(slack, one)
            change = f" ({value / limit - 1:+.1%})" if limit else ""
            line = f"{workload}, {mode}, {figure}: {value:.4f}, budget {limit:.4f}{change}"
            if value > limit + slack:
                above.append(line)
            elif value < limit - slack:
                below.append(line)
    return above, below


def show(found: Figures) -> None:
    print(f"{'an event':<12}{'':<8}" + "".join(f"{name:>14}" for name in FIGURES))
    for workload, rows in found.items():
        for mode in MODES:
            if mode in rows:
                cells = "".join(f"{rows[mode][name]:>14.4f}" for name in FIGURES)
                print(f"{workload:<12}{mode:<8}{cells}")


def judge(found: Figures, budget: Figures) -> int:
    above: list[str] = []
    below: list[str] = []
    for workload in found:
        more, less = compare(workload, found, budget)
        above += more
        below += less
    for line in below:
        print(f"BELOW BUDGET {line}")
    if below:
        print("the budget should be lowered: make gate UPDATE=1")
    for line in above:
        print(f"ABOVE BUDGET {line}")
    print(f"gate: {len(above)} above budget" if above else "gate: within budget")
    return 1 if above else 0


def budgets() -> dict[str, Figures]:
    return json.loads(BUDGET.read_text()) if BUDGET.exists() else {}


def budget_of(key: str, budget: dict[str, Figures]) -> Figures:
    if key not in budget:
        known = "; ".join(budget) or "none"
        raise NotRun(f"no budget for {key} (there is: {known}); make gate UPDATE=1 writes it")
    return budget[key]


def update(key: str, found: Figures) -> int:
    """The figures become the budget; of what was not measured it stays."""
    budget = budgets()
    mine = budget.setdefault(key, {})
    for workload, rows in found.items():
        mine.setdefault(workload, {}).update(rows)
    BUDGET.write_text(json.dumps(dict(sorted(budget.items())), indent=1) + "\n")
    print(f"{BUDGET.name}: {key}")
    return 0


# ---- proving -------------------------------------------------------------------------------------


def prove(budget: Figures) -> int:
    """Engines that are worse by a little must be caught, and by the figure that is meant."""
    plain = build(FOLDER)
    found = {"fib": measure(plain, "fib", ("record",))}
    nops = round(found["fib"]["record"]["instructions"] * 0.05 * 2)  # half the events are returns
    idle = f'    __asm__ volatile(".rept {nops}\\n\\tnop\\n\\t.endr");\n'
    slower = build(FOLDER.with_name("gate-slower"), (("pyapi/quick.c", LEAVE, idle + LEAVE),))
    longer = (
        ("sink/record_short.h", SINCE, "    return FT_DELTA_MORE;\n"),
        ("sink/record_events.c", SHORT, "    *delta += FT_DELTA_MORE;\n"),
    )
    larger = build(FOLDER.with_name("gate-larger"), longer)
    as_it_is, low = ("fib, record, instructions", "fib, record, bytes")
    right = [said("as it is", found, budget, 0, None)]
    for name, lib, figure in (
        ("5 % more instructions", slower, as_it_is),
        ("a byte more", larger, low),
    ):
        worse = {"fib": measure(lib, "fib", ("record",))}
        right.append(said(name, worse, budget, 1, figure))
    generous = json.loads(json.dumps(budget))
    generous["fib"]["record"]["instructions"] *= 1.05
    right.append(said("5 % fewer instructions", found, generous, 0, as_it_is))
    return 0 if all(right) else 1


def said(name: str, found: Figures, budget: Figures, status: int, figure: str | None) -> bool:
    print(f"-- {name}: expected status {status}")
    more, less = compare("fib", found, budget)
    right = judge(found, budget) == status
    if figure is not None:
        right = right and any(line.startswith(figure) for line in (more if status else less))
    print("as expected" if right else "NOT AS EXPECTED")
    return right


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=WORKLOADS)
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--update", action="store_true", help="the figures become the budget")
    parser.add_argument("--prove", action="store_true", help="worse engines must be caught")
    options = parser.parse_args()
    key = who()
    for tool in ("valgrind", "strace"):
        if shutil.which(tool) is None:
            raise NotRun(f"{tool} is not installed")
    if options.prove:
        return prove(budget_of(key, budgets()))
    budget = {} if options.update else budget_of(key, budgets())
    lib = build(FOLDER)
    print(key)
    chosen = [workload for workload in WORKLOADS if options.only in (None, workload)]
    modes = (options.mode,) if options.mode else MODES
    missing = [] if options.update else [x for x in chosen if x not in budget]
    if missing:
        raise NotRun(f"no budget for {', '.join(missing)}; make gate UPDATE=1 writes it")
    found = {
        workload: budgeted(lib, workload, modes)
        if options.update
        else checked(lib, workload, modes, budget)
        for workload in chosen
    }
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return update(key, found) if options.update else judge(found, budget)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as error:
        print(f"!!!! gate BROKEN: {error} !!!!", file=sys.stderr)
        sys.exit(1)
    except NotRun as error:
        print(f"!!!! gate NOT RUN: {error} !!!!", file=sys.stderr)
        sys.exit(2)
