"""tests/others: what counts as a difference, and what the allow-list allows."""

import subprocess
import sys
from pathlib import Path

import pytest

OTHERS = Path(__file__).resolve().parent / "others"
sys.path.insert(0, str(OTHERS))
from results import (  # noqa: E402
    Difference,
    Outcome,
    differences,
    read_allowed,
    read_results,
    split,
    stale,
)

XML = """<testsuites><testsuite>
  <testcase name="test.m.T.good"/>
  <testcase name="test.m.T.bad"><failure/></testcase>
  <testcase name="test.m.T.left"><skipped/></testcase>
  <testcase classname="tests.m" name="f[&lt;object at 0x7f01&gt;]"/>
  <testcase/>
</testsuite></testsuites>"""
LOG = """\
FAIL: test_sub (test.m.T.test_sub) [7]
FAIL: a_doctest (test.m)
  FAIL: no (test.m.T.no)
"""


def test_each_test_has_its_result(tmp_path: Path):
    xml = tmp_path / "results.xml"
    xml.write_text(XML)
    assert read_results(xml, LOG) == {
        "test.m.T.good": "passed",
        "test.m.T.bad": "failed",
        "test.m.T.left": "skipped",
        "tests.m.f[<object at 0x>]": "passed",
        "test.m.T.test_sub": "failed",
        "test.m.a_doctest": "failed",
    }


def test_no_results_are_no_error(tmp_path: Path):
    assert read_results(tmp_path / "none", LOG) == {}


def test_a_test_that_ends_otherwise_is_a_difference():
    before = Outcome({"a": "passed", "b": "failed", "c": "passed", "d": "passed"}, "1")
    after = Outcome({"a": "failed", "b": "failed", "c": "skipped"}, "1")
    assert differences("m", before, after) == [
        Difference("m a", "passed", "failed"),
        Difference("m c", "passed", "skipped"),
        Difference("m d", "passed", "absent"),
    ]


def test_a_run_without_results_is_one_difference():
    before = Outcome({"a": "passed", "b": "passed"}, "0")
    after = Outcome({}, "killed by signal 11")
    assert differences("m", before, after) == [Difference("m (whole)", "0", "killed by signal 11")]
    for skipped in ("0", "4"):
        assert differences("m", Outcome({}, skipped), Outcome({}, skipped)) == []
    assert len(differences("m", Outcome({}, "0"), Outcome({}, "4"))) == 1
    late = Outcome({}, "timed out")
    assert differences("m", late, late) == [Difference("m (whole)", "timed out", "timed out")]


def test_the_exit_status_counts_where_no_test_differs():
    before, after = Outcome({"a": "passed"}, "0"), Outcome({"a": "passed"}, "killed by signal 6")
    assert differences("m", before, after) == [Difference("m (status)", "0", "killed by signal 6")]


LIST = """\
# a comment

m T.one: looks at opcodes
m T.two[*] 3.13 3.14: counts references
m T.three flaky: a race of its own
n *: not run here
"""


def test_what_is_listed_is_allowed_on_its_versions():
    entries = read_allowed(LIST)
    found = [Difference(f"m T.{x}", "passed", "failed") for x in ("one", "two[a-0]", "four")]
    new, allowed, used = split(found, entries, "3.13")
    assert [x.test for x in new] == ["m T.four"]
    assert [entry.reason for _, entry in allowed] == ["looks at opcodes", "counts references"]
    assert stale(entries, used, ["m"], "3.13") == []
    new, allowed, used = split(found, entries, "3.12")
    assert [x.test for x in new] == ["m T.two[a-0]", "m T.four"]


def test_what_differs_no_more_is_stale():
    entries = read_allowed(LIST)
    assert [x.pattern for x in stale(entries, set(), ["m"], "3.13")] == ["T.one", "T.two[*]"]
    assert [x.pattern for x in stale(entries, set(), ["m"], "3.12")] == ["T.one"]


@pytest.mark.parametrize("line", ["m T.one", "m T.one:", "m: x", "m T.one 3.x: x", "m a b: x"])
def test_a_wrong_line_of_the_list_is_named(line: str):
    with pytest.raises(ValueError, match="line 2: "):
        read_allowed(f"# first\n{line}\n")


def test_the_list_can_be_read():
    assert all(entry.reason for entry in read_allowed((OTHERS / "allowed.txt").read_text()))


@pytest.mark.parametrize("command", ["run", "fetch"])
def test_the_commands_explain_themselves(command: str):
    shown = subprocess.run(
        [sys.executable, OTHERS / command, "--help"], capture_output=True, encoding="utf-8"
    )
    assert shown.returncode == 0
    assert "tests/others" in shown.stdout
