"""The debugger, the coverage tool and the profiler run beside pyftrace, all with right results, and
no tool id that is not ours is ever touched."""

import cProfile
import io
import pstats
import sys
from pathlib import Path

import pytest
from conftest import Run

import pyftrace
from pyftrace import _engine

PROGRAM = """\
def branch(x):
    if x:
        return "yes"
    return "no"


def main():
    return branch(1)


main()
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "prog.py"
    path.write_text(PROGRAM)
    return path


def test_cprofile_at_the_same_time(nothing_left_on):
    def work():
        return sum(square(i) for i in range(10))

    def square(x):
        return x * x

    out = io.StringIO()
    with cProfile.Profile() as profile, pyftrace.trace(file=out):
        work()
    stats = pstats.Stats(profile).get_stats_profile().func_profiles
    assert stats["square"].ncalls == "10"
    assert out.getvalue().count("Called test_cprofile_at_the_same_time.<locals>.square") == 10


@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_coverage_at_the_same_time(python: Run, script: Path, core: str):
    pytest.importorskip("coverage")
    run = ["-m", "coverage", "run", "--data-file=data", "--include=*/prog.py"]
    report = ["-m", "coverage", "report", "--data-file=data", "-m"]
    python(*run, str(script), env={"COVERAGE_CORE": core})
    plain = python(*report).stdout
    done = python(*run, str(script), env={"COVERAGE_CORE": core, "PYFTRACE": "--include=prog"})
    assert python(*report).stdout == plain
    assert "4" in plain.splitlines()[2].split()[-1]
    assert "Called branch:1 from line 8" in done.stdout, done.stderr


def test_pytest_has_nothing_to_complain_of(python: Run, tmp_path: Path):
    (tmp_path / "test_one.py").write_text("def double(n): return 2 * n\n"
                                          "def test_it(): assert double(2) == 4\n")  # fmt: skip
    words = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_one.py"]
    done = python(*words, env={"PYFTRACE": "-o tree.txt"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout
    assert "Called double:1 from line 2" in (tmp_path / "tree.txt").read_text()


def test_pdb_at_the_same_time(python: Run, script: Path):
    typed = "b branch\nc\np x\nc\nq\n"
    plain = python("-m", "pdb", str(script), input=typed)
    traced = python("-m", "pdb", str(script), input=typed, env={"PYFTRACE": "-o tree.txt"})
    assert traced.stdout == plain.stdout
    assert "(Pdb) 1\n" in plain.stdout
    assert "Called branch:1" in (script.parent / "tree.txt").read_text()


def test_all_ids_taken_names_the_holders():
    mine = [i for i in range(6) if sys.monitoring.get_tool(i) is None]
    for i in mine:
        sys.monitoring.use_tool_id(i, f"tool-{i}")
    try:
        with pytest.raises(RuntimeError, match=r"no free sys.monitoring tool id.*3 tool-3"):
            pyftrace.start(file=io.StringIO())
        assert sys.monitoring.get_tool(mine[0]) == f"tool-{mine[0]}"
    finally:
        for i in mine:
            sys.monitoring.free_tool_id(i)
    assert _engine.tool_id() == -1


def test_the_conventional_ids_are_taken_last(nothing_left_on):
    mine = [i for i in (3, 4, 5) if sys.monitoring.get_tool(i) is None]
    taken = []
    for _ in range(len(mine) + 1):
        pyftrace.start(file=io.StringIO())
        taken.append(_engine.tool_id())
        pyftrace.stop()
        if len(taken) <= len(mine):
            sys.monitoring.use_tool_id(taken[-1], "other")
    for i in taken[:-1]:
        sys.monitoring.free_tool_id(i)
    assert sorted(taken[:-1]) == mine
    assert taken[-1] in (0, 1, 2)


def test_an_earlier_holders_disable_does_not_blind_us(nothing_left_on):
    def f():
        return 1

    events = sys.monitoring.events
    sys.monitoring.use_tool_id(3, "blinder")
    sys.monitoring.register_callback(3, events.PY_START, lambda *args: sys.monitoring.DISABLE)
    sys.monitoring.set_events(3, events.PY_START)
    f()
    sys.monitoring.set_events(3, 0)
    sys.monitoring.register_callback(3, events.PY_START, None)
    sys.monitoring.free_tool_id(3)
    with pyftrace.report() as r:
        f()
    assert r.calls("f", missing_ok=True) == 1
