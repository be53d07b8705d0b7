"""Tracers as commands over whole programs, to a readable result; and start-up."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from modes import CPROFILE, RECORD, REPORT, TRACE0, VIZTRACER, YAPPI

HERE = Path(__file__).resolve().parent
PACKAGES = HERE.parent / "build" / "bench-packages"  # by bench/fetch
UNTRACED = "untraced"

FIB = """\
import os, time
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
fib({n})
if "BENCH_END" in os.environ:
    with open(os.environ["BENCH_END"], "w") as file:
        file.write(str(time.monotonic()))
"""


# As -m cProfile does it, but without C functions: the others see none either.
PROFILE = """\
import cProfile, sys, types
out, *sys.argv = sys.argv[1:]
main = sys.modules["__main__"] = types.ModuleType("__main__")
main.__file__ = sys.argv[0]
sys.path[0] = main.__file__.rpartition("/")[0]
with open(main.__file__, "rb") as file:
    code = compile(file.read(), main.__file__, "exec")
profile = cProfile.Profile()
profile.enable(builtins=False)
try:
    exec(code, vars(main))
finally:
    profile.disable()
    profile.dump_stats(out)
"""


@dataclass(frozen=True)
class Tool:
    """A tracer's command before the script, and the one that shows its result for the first time;
    both with OUT for the result's path."""

    name: str
    words: tuple[str, ...]
    shown_by: tuple[str, ...] = ()


def tools() -> list[Tool]:
    """Those that are installed."""
    pstats = "import pstats, sys; pstats.Stats(sys.argv[1]).sort_stats('tottime').print_stats(20)"
    load = "import json, sys; print(len(json.load(open(sys.argv[1]))['traceEvents']))"
    found = [
        Tool(UNTRACED, ()),
        Tool(RECORD, ("-m", "pyftrace", "record", "-q", "--include", "*", "-o", "OUT"),
             ("-m", "pyftrace", "report", "OUT")),
        Tool(REPORT, ("-m", "pyftrace", "--report", "-q", "--include", "*", "-o", "OUT"),
             ("-c", "import sys; print(open(sys.argv[1]).read())", "OUT")),
        Tool(CPROFILE, ("-c", PROFILE, "OUT"), ("-c", pstats, "OUT")),
        Tool(TRACE0, ("-m", "trace0", "run", "--output", "OUT")),
        Tool(YAPPI, ("-m", "yappi", "-c", "wall", "-f", "pstat", "-o", "OUT"),
             ("-c", pstats, "OUT")),
        Tool(VIZTRACER,
             ("-m", "viztracer", "--quiet", "--ignore_c_function", "--tracer_entries", "8000000",
              "-o", "OUT"), ("-c", load, "OUT")),
    ]  # fmt: skip
    return [tool for tool in found if tool.name not in (TRACE0, YAPPI, VIZTRACER)
            or find_spec(tool.name) is not None]  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    unwanted = ("PYTHONUNBUFFERED", "PYFTRACE")
    return {k: v for k, v in os.environ.items() if k not in unwanted} | more


@dataclass
class Run:
    """One process: seconds, seconds of processor, seconds from the program's end to the process's,
    peak memory of its largest process in MB."""

    wall: float
    cpu: float
    ending: float
    memory: float


def run(words: list[str], folder: Path) -> Run:
    end = folder / "end"
    end.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-S", HERE / "spawn.py", sys.executable, *words], cwd=folder,
        env=environment(
            BENCH_END=str(end), BENCH_COPIES=str(folder / "copies"),
            PYTHONPATH=os.pathsep.join([str(HERE), str(PACKAGES)]),
        ),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    wall, cpu, now, memory, status = json.loads(done.stdout)
    if status != 0:
        raise RuntimeError(f"{words}: status {status}\n{done.stderr[-2000:]}")
    ending = now - float(end.read_text()) if end.exists() else 0.0
    return Run(wall, cpu, ending, memory)


def size(path: Path) -> int:
    """Bytes of a file or of a folder's files."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0


def remove(path: Path) -> None:
    subprocess.run(["rm", "-rf", path], check=True)


@dataclass
class Whole:
    """A tool over one program: medians over the pairs."""

    runs: list[Run] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    disk: int = 0

    def median(self, what: str) -> float:
        if what == "shown":
            return statistics.median(self.shown) if self.shown else 0.0
        return statistics.median(getattr(each, what) for each in self.runs)

    def figures(self) -> dict[str, float]:
        names = ("wall", "cpu", "ending", "memory", "shown")
        return {name: self.median(name) for name in names} | {"disk": self.disk}


def compare(script: list[str], pairs: int, folder: Path) -> Iterator[tuple[str, Whole]]:
    """Every tool over a program."""
    found = {tool.name: Whole() for tool in tools()}
    for turn in range(pairs):
        for tool in tools() if turn % 2 == 0 else tools()[::-1]:
            if tool.name not in found:
                continue
            try:
                once(tool, script, folder, found[tool.name])
            except RuntimeError as error:
                if tool.name == UNTRACED:
                    raise
                del found[tool.name]
                print(f"!!!! {tool.name} NOT RUN: {error} !!!!", file=sys.stderr)
    yield from found.items()


def once(tool: Tool, script: list[str], folder: Path, whole: Whole) -> None:
    """One run of a tool, and the one that shows the result."""
    # viztracer asks for the name
    result = folder / ("result.json" if tool.name == VIZTRACER else "result")
    remove(result)
    named = [str(result) if word == "OUT" else word for word in tool.words]
    whole.runs.append(run(named + script, folder))
    whole.disk = size(result)
    if tool.shown_by:
        shown = [str(result) if word == "OUT" else word for word in tool.shown_by]
        whole.shown.append(run(shown, folder).wall)
    remove(result)


def scripts(folder: Path) -> dict[str, list[str]]:
    """The programs, by name."""
    (folder / "fib.py").write_text(FIB.format(n=29))  # 1.7 million calls
    programs = str(HERE / "programs.py")
    return {
        "fib": [str(folder / "fib.py")],
        "deltablue": [programs, "deltablue", "20"],
        "sqlglot": [programs, "sqlglot", "10"],
    }


# ---- start-up ------------------------------------------------------------------------------------

PLAIN, STARTED, PROFILED = "python empty.py", "pyftrace empty.py", "python -m cProfile empty.py"


def start_up(pairs: int, folder: Path) -> dict[str, float]:
    """Milliseconds of whole processes over an empty program."""
    script = folder / "empty.py"
    script.write_text("")
    commands = {
        PLAIN: [str(script)],
        STARTED: ["-m", "pyftrace", "-q", str(script)],
        PROFILED: ["-m", "cProfile", "-o", os.devnull, str(script)],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(pairs):
        for name, words in commands.items():
            # Elsewhere: in a clone's root -m would find the sources, perhaps not yet compiled.
            times[name].append(run(words, folder).wall * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def imported(folder: Path) -> dict[str, list[str]]:
    """Modules that are imported over an empty program, by command, beyond a bare python's."""
    script = folder / "empty.py"
    script.write_text("")

    def names(*words: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *words], cwd=folder, env=environment(),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        lines = [x for x in done.stderr.splitlines() if x.startswith("import time:") and "|" in x]
        return {line.rpartition("|")[2].strip() for line in lines if "imported package" not in line}

    bare = names(str(script))
    return {
        STARTED: sorted(names("-m", "pyftrace", "-q", str(script)) - bare),
        PROFILED: sorted(names("-m", "cProfile", "-o", os.devnull, str(script)) - bare),
    }
