"""The standard library's profiles, read by pstats, as whoever opens one does."""

import io
import pstats
from pathlib import Path

import pytest
import recorded

import pyftrace as api


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pstats")
    recorded.record(folder)
    return folder


def stats_of(folder: Path) -> dict:
    return pstats.Stats(str(recorded.dump(folder, "pstats"))).stats  # type: ignore[attr-defined]


def seconds(ns: int) -> object:
    return pytest.approx(ns / 1e9, abs=1e-12)


def test_calls_and_times_are_those_of_the_report(folder: Path):
    expected = recorded.totals(api.open(folder / "pyftrace.data"))
    assert {function: calls for function, (calls, _, _) in expected.items()} == recorded.CALLS
    found = {(key[2], key[1]): row[:4] for key, row in stats_of(folder).items()}
    assert found.keys() == expected.keys()
    for function, (calls, total, own) in expected.items():
        assert found[function][1:] == (calls, seconds(own), seconds(total)), function


def test_callers_are_those_of_the_events(folder: Path):
    """Recursion, direct and mutual and deeper than a call tree keeps apart, counts once."""
    expected = recorded.by_caller(api.open(folder / "pyftrace.data"))
    found = {
        ((by[2], by[1]), (key[2], key[1])): figures
        for key, row in stats_of(folder).items()
        for by, figures in row[4].items()
    }
    assert found == {
        pair: (calls, first, seconds(own), seconds(total))
        for pair, (calls, first, total, own) in expected.items()
        if pair[0] is not None
    }


def test_primitive_calls_are_those_within_no_other_of_the_function(folder: Path):
    rows = {(key[2], key[1]): row for key, row in stats_of(folder).items()}
    assert rows["fact", 4][:2] == (3, 13)
    assert rows["even", 7][:2] == (3, 657)
    assert rows["fail", 15][:2] == (1, 4)


def test_what_leads_to_a_function_adds_up_to_it(folder: Path):
    """Of functions that are never outermost: those have no caller here."""
    rows = {(key[2], key[1]): row for key, row in stats_of(folder).items()}
    for function in (("leaf", 3), ("gen", 9)):
        primitive, calls, own, total, callers = rows[function]
        assert sum(by[0] for by in callers.values()) == calls
        assert sum(by[1] for by in callers.values()) == primitive
        assert sum(by[3] for by in callers.values()) == pytest.approx(total)
        assert sum(by[2] for by in callers.values()) == pytest.approx(own)
    assert len(rows["leaf", 3][4]) == 7


def test_who_only_resumes_a_generator_has_time_and_no_calls(folder: Path):
    rows = {(key[2], key[1]): row for key, row in stats_of(folder).items()}
    callers = {by[2]: figures for by, figures in rows["gen", 9][4].items()}
    assert callers["first"][0] == 1 and callers["rest"][0] == 0
    assert callers["rest"][3] > 0


def test_pstats_prints_it(folder: Path):
    text = io.StringIO()
    stats = pstats.Stats(str(recorded.dump(folder, "pstats")), stream=text)
    stats.sort_stats("cumulative").print_stats().print_callers().print_callees()
    calls = sum(recorded.CALLS.values())
    assert f"{calls} function calls" in text.getvalue()
    assert "(even)" in text.getvalue() and "657/3" in text.getvalue()


def test_c_functions_have_no_file(tmp_path: Path):
    recorded.record(tmp_path, "def f(): return len('') + len('')\nf()\n", "--builtins")
    assert {key: row[1] for key, row in stats_of(tmp_path).items()} == {
        (str(tmp_path / "app.py"), 1, "f"): 1,
        ("~", 0, "builtins.len"): 2,
    }


def test_a_ring_has_the_time_of_the_calls_that_were_open(tmp_path: Path):
    program = """\
def f(): pass
def outer():
    for _ in range(300_000): f()
outer()
"""
    recording = recorded.record(tmp_path, program, "--ring", "256k")
    file = recorded.dump(tmp_path, "pstats", message=recorded.INCOMPLETE)
    stats = pstats.Stats(str(file)).stats  # type: ignore[attr-defined]
    found = {(key[2], key[1]): row for key, row in stats.items()}
    for function, (calls, total, own) in recorded.totals(recording).items():
        assert found[function][1:4] == (calls, seconds(own), seconds(total))
    assert found["outer", 2][1] == 0


def test_processes_are_added_up(tmp_path: Path):
    program = "import os\ndef f(): pass\nf()\npid = os.fork()\nf()\npid and os.waitpid(pid, 0)\n"
    recorded.record(tmp_path, program)
    assert [row[1] for row in stats_of(tmp_path).values()] == [3]
