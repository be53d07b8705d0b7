"""A recording walked on several cores comes out as on one, to the byte."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import recorded
from conftest import clean_environment
from test_c_units import COMPILER, SOURCE, UNITS

import pyftrace
from pyftrace import _engine

THREADS = (
    recorded.PROGRAM
    + """
class Rec(threading.Thread):
    def __init__(self, n):
        super().__init__(); self.n = n
    def run(self):
        for i in range(self.n): rest(gen(3)); fact(4)
        own = {}; exec(f"def own{self.n}(): return 1", own); own[f"own{self.n}"]()
many = [Rec(n) for n in (40, 3, 900, 1, 20, 7)]
for t in many: t.start()
for t in many: t.join()
import os
if os.fork() == 0:
    t = Rec(50); t.start(); t.join()
    os._exit(0)
os.wait()
"""
)
HERE = Path(__file__).resolve().parent
Made = tuple[object, ...]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cores")
    recorded.record(folder, THREADS, "--include", "<string>")
    return folder / "pyftrace.data"


def made(data: Path, workers: int, **part: Any) -> Made:
    """All that the sinks give, in their order, of a recording opened anew, and what was wrong."""
    found: list[object] = []
    recording = pyftrace.open(data)._engine
    for kind, options in (
        ("report", {"percentiles": True}), ("report", {"callers": True}), ("tree", {}),
        ("edges", {}),
    ):  # fmt: skip
        tap = _engine.Tap(kind, **options)
        found.append(recording.walk(tap, workers=workers, **part))
        if kind == "tree":
            found.append(tap.nodes())
        elif kind == "edges":
            found.append(tap.edges())
        else:
            found += [tap.rows(), tap.threads, tap.wall_ns, tap.calls]
        if "callers" in options:
            found.append(sorted(tap.callers(), key=str))
        found.append(recording.damage)
    return tuple(found)


def test_there_are_threads_of_two_processes(sound: Path) -> None:
    threads = pyftrace.open(sound)._engine.threads()
    assert len([t for t in threads if t["events"]]) >= 10
    assert len({t["pid"] for t in threads}) == 2


@pytest.mark.parametrize("workers", [2, 3, 64])
def test_all_of_it(sound: Path, workers: int) -> None:
    assert made(sound, workers) == made(sound, 1)


def test_a_range_of_time(sound: Path) -> None:
    times = [event.t for event in pyftrace.open(sound).events()]
    first, last = min(times), max(times)
    middle = (first + last) // 2
    for part in ({"since": middle}, {"until": middle}, {"since": middle, "until": last - 1}):
        one = made(sound, 1, **part)
        assert made(sound, 3, **part) == one
        assert one != made(sound, 1)


def test_one_process(sound: Path) -> None:
    pid = pyftrace.open(sound)._engine.threads()[0]["pid"]
    one = made(sound, 1, pid=pid)
    assert made(sound, 3, pid=pid) == one != made(sound, 1)


def test_filters_go_as_on_one_core(sound: Path) -> None:
    found = []
    for workers in (1, 3):
        tap = _engine.Tap("report", function=("gen",))
        pyftrace.open(sound)._engine.walk(tap, workers=workers)
        found.append(tap.rows())
    assert found[0] == found[1] and found[0]


def test_a_second_walk_into_the_same_table(sound: Path) -> None:
    found = []
    for workers in (1, 3):
        tap = _engine.Tap("report")
        recording = pyftrace.open(sound)._engine
        recording.walk(tap, workers=workers)
        recording.walk(tap, workers=workers)
        found.append((tap.rows(), tap.threads))
    assert found[0] == found[1]


def test_damage_is_told_in_the_order_of_threads(sound: Path, tmp_path: Path) -> None:
    """Every lane is spoilt, the last of a process in many places: more than is told."""
    data = shutil.copytree(sound, tmp_path / "bad.data")
    for lane in data.glob("*.lane"):
        body = bytearray(lane.read_bytes())
        for at in range(400, len(body), 97):
            body[at] ^= 0x55 if body[at] else 0
        lane.write_bytes(body)
    one = made(data, 1)
    assert made(data, 3) == one
    assert str(one[-1]).count("\n") > 10


def test_a_ring_that_lost_events(tmp_path: Path) -> None:
    program = "def f(n): return n\ndef work():\n    for i in range(300_000): f(i)\n" \
        "import threading\nts = [threading.Thread(target=work) for _ in range(4)]\n" \
        "for t in ts: t.start()\nfor t in ts: t.join()\n"  # fmt: skip
    (tmp_path / "app.py").write_text(program)
    subprocess.run(
        [sys.executable, "-m", "pyftrace", "record", "-q", "--ring", "256K", "-o", "r", "app.py"],
        cwd=tmp_path, env=clean_environment(), check=True, timeout=60,
    )  # fmt: skip
    one = made(tmp_path / "r", 1)
    events, lost = one[0]  # type: ignore[misc]
    assert lost > 0 and events > 0
    assert made(tmp_path / "r", 4) == one


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of four threads and some seconds of reading, if it were read a hundred times: its lanes."""
    folder = tmp_path_factory.mktemp("large")
    recorded.record(
        folder,
        "import threading\ndef f(n): return n\ndef work():\n    for i in range(600_000): f(i)\n"
        "ts = [threading.Thread(target=work) for _ in range(4)]\n"
        "for t in ts: t.start()\nfor t in ts: t.join()\n",
    )
    return folder / "pyftrace.data"


def until_interrupted(walk: Callable[[], object]) -> None:
    for _ in range(10_000):
        walk()
    pytest.fail("never interrupted")


def test_ctrl_c_ends_it(large: Path) -> None:
    """Whoever's turn it is; walks go on until it comes."""
    recording = pyftrace.open(large)._engine
    script = f"import os, time; time.sleep(0.05); os.kill({os.getpid()}, {int(signal.SIGINT)})"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), subprocess.Popen([sys.executable, "-c", script]):
            until_interrupted(lambda: recording.walk(_engine.Tap("report"), workers=3))
    finally:
        signal.signal(signal.SIGINT, before)
    events, lost = recording.walk(_engine.Tap("tree"), workers=3)
    assert events > 4_800_000 and lost == 0


def test_what_progress_raises_ends_it(large: Path) -> None:
    recording = pyftrace.open(large)._engine

    def refuse(events: int) -> None:
        raise RuntimeError(str(events))

    with pytest.raises(RuntimeError):
        until_interrupted(lambda: recording.walk(_engine.Tap("tree"), workers=2, progress=refuse))


def test_no_race_and_nothing_lost_without_memory_or_threads(sound: Path, tmp_path: Path) -> None:
    """Each allocation fails once; every number of threads is to be had."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    flags = ["-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-fsanitize=thread", f"-I{SOURCE}"]
    wrapped = "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=pthread_create"
    (tmp_path / "empty.c").write_text("int main(void) { return 0; }\n")
    build = [COMPILER, *flags, "-o", tmp_path / "walk", "-lpthread"]
    if subprocess.run([*build, tmp_path / "empty.c"], capture_output=True).returncode:
        pytest.skip("the compiler has no sanitizer of threads")
    subprocess.run([*build, HERE / "cores" / "walk.c", *UNITS, wrapped], check=True, timeout=300)
    done = subprocess.run([tmp_path / "walk", sound], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
