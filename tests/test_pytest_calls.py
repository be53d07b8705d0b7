"""The fixture ``calls``: what a test may assert on calls, and what a failure says."""

import json
import re
from pathlib import Path

import pytest
from test_pytest_plugin import Pytest, run  # noqa: F401  (a fixture)

DB = "def query(): pass\ndef view():\n    query()\n    query()\n"


@pytest.fixture
def check(run: Pytest, tmp_path: Path):  # noqa: F811
    """check(body, *options): the output of a test with that body and db.py beside it."""
    (tmp_path / "db.py").write_text(DB)

    def check(body: str, *options: str, argument: str = "calls") -> str:
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        return run(f"import db, json\ndef test_it({argument}):\n{lines}", "--tb=short", *options)

    return check


def test_count_is_an_int_that_says_who_called(check):
    body = "db.view()\nassert calls.count('db.query') == 2\ndb.query()\n"
    out = check(body + "assert calls.count('db.query') <= 2")
    assert "assert 3 (by db.view 2, test_shop.test_it 1) <= 2" in out
    assert "<calls of test_it>.count" in out


def test_a_block_that_keeps_its_limit_passes(check):
    body = (
        "with calls.at_most(2, 'db.query'):\n    db.view()\n"
        "with calls.exactly(1, 'db.view'), calls.exactly(2, 'query'):\n    db.view()\n"
        "with calls.none('json.*'):\n    db.view()\n"
    )
    assert "1 passed" in check(body)


def test_a_block_that_exceeds_its_limit_names_the_callers(check):
    body = "db.view()\nwith calls.at_most(2, 'db.query'):\n    db.query()\n    db.view()\n"
    out = check(body)
    assert "test_shop.py:5: in test_it\n    with calls.at_most(2, 'db.query'):" in out
    assert "E   Failed: db.query: 3 calls, not at most 2; by db.view 2, the block 1\n" in out


def test_nothing_in_a_module_library_or_not(check):
    out = check("with calls.none('json.*'):\n    json.dumps('a')\n")
    assert "E   Failed: json.*: 2 calls, not 0; by json.dumps 1, the block 1\n" in out


def test_a_limit_without_a_block_is_the_whole_tests(check):
    body = "calls.none('json.*')\ncalls.at_most(2, 'db.query')\njson.dumps('a')\ndb.view()\n"
    out = check(body)
    assert "json.*: 2 calls, not 0; by json.dumps 1, test_shop.test_it 1\n" in out
    assert "db.query" not in out.partition("FAILURES")[2].partition("short test summary")[0]
    assert "1 failed" in out and "error" not in out


def test_a_misspelt_name_passes_no_test(check):
    for body in (
        "with calls.none('db.kwery'):\n    pass",
        "calls.none('db.kwery')",
        "calls.count('db.kwery')",
        "with calls.same_as('it.json', 'db.kwery'):\n    pass",
    ):
        out = check(body)
        assert "no loaded function matches 'db.kwery'; did you mean db.query?" in out
        assert "1 failed" in out
    assert "1 passed" in check("calls.none('requests.*', missing_ok=True)")
    assert "a pattern is missing" in check("calls.at_most(3)")
    assert "bad pattern '['" in check("calls.count('[')")


def test_the_failure_of_the_test_itself_comes_first(check):
    out = check("calls.none('db.query')\ndb.query()\nwith calls.none('db.query'):\n    1 / 0\n")
    assert "ZeroDivisionError" in out and "db.query: " not in out


def test_other_threads_count(check):
    body = (
        "import threading\nthread = threading.Thread(target=db.view)\n"
        "with calls.exactly(2, 'db.query'):\n    thread.start()\n    thread.join()\n"
    )
    assert "1 passed" in check(body)


def test_a_baseline_is_written_compared_and_accepted(check, tmp_path: Path):
    body = "with calls.same_as('counts/it.json'):\n    json.dumps('a')\n    db.view()\n"
    out = check(body)
    assert f"there is no {tmp_path}/counts/it.json; pytest --pyftrace-update writes it" in out
    assert "1 passed" in check(body, "--pyftrace-update")
    text = (tmp_path / "counts/it.json").read_text()
    assert text == '{\n "db.query": 2,\n "db.view": 1\n}\n'
    assert "1 passed" in check(body)
    more = body + "    db.query()\n    shop.lookup('tea')\n"
    out = check(more.replace("    db.view()\n", ""))
    assert (
        """\
E   Failed: not the calls of it.json (pytest --pyftrace-update accepts them):
E     db.query: 2 -> 1; by the block 1
E     db.view: 1 -> not called
E     shop.lookup: new: 1; by the block 1
"""
        in out
    )
    assert "1 passed" in check(more, "--pyftrace-update")
    assert json.loads((tmp_path / "counts/it.json").read_text())["db.query"] == 3


def test_a_baseline_of_a_whole_test_has_not_the_test_itself(check, tmp_path: Path):
    body = "calls.same_as('it.json')\ndb.view()\n"
    assert "1 passed" in check(body, "--pyftrace-update")
    assert json.loads((tmp_path / "it.json").read_text()) == {"db.query": 2, "db.view": 1}
    out = check(body + "db.query()\n")
    assert "  db.query: 2 -> 3; by db.view 2, test_shop.test_it 1\n" in out


def test_a_baseline_of_patterns(check, tmp_path: Path):
    body = (
        "with calls.same_as('it.json', 'json.*', 'db.view'):\n    json.dumps('a')\n    db.view()\n"
    )
    assert "1 passed" in check(body, "--pyftrace-update")
    found = json.loads((tmp_path / "it.json").read_text())
    assert found.keys() == {"json.dumps", "json.encoder.JSONEncoder.encode", "db.view"}


def test_a_file_that_holds_no_counts_is_a_line(check, tmp_path: Path):
    for text in ("", "[]", '{"a": "b"}', '{"a": -1}', "\0\xff", "[" * 200_000):
        (tmp_path / "it.json").write_bytes(text.encode("latin-1"))
        out = check("with calls.same_as('it.json'):\n    pass\n")
        assert "it.json holds no counts; pytest --pyftrace-update writes it" in out


@pytest.mark.parametrize("name", ["a\\0b", "\\ud800"])
def test_a_name_that_no_file_can_have_is_a_line(check, name: str):
    for options, verb in ([], "read"), (["--pyftrace-update"], "write"):
        out = check(f"calls.same_as('{name}')\n", *options)
        assert re.search(rf"\ncannot {verb} \S+: .*(null|surrogates).*\n", out)
        assert "1 failed" in out and "Traceback" not in out and "pyftrace/testing" not in out


def test_two_tests_do_not_overwrite_one_baseline(run: Pytest, tmp_path: Path):  # noqa: F811
    test = (
        "@pytest.mark.parametrize('n', [1, 2])\ndef test_it(calls, n):\n"
        "    with calls.same_as('it.json'):\n        for i in range(n): shop.lookup('tea')\n"
    )
    out = run(test, "--pyftrace-update")
    assert "it.json: test_shop.py::test_it[1] has written other counts to it" in out
    assert "1 failed, 1 passed" in out


def test_the_users_own_fixture_of_that_name_wins(run: Pytest):  # noqa: F811
    test = "@pytest.fixture\ndef calls(): return 5\ndef test_it(calls): assert calls == 5\n"
    assert "1 passed" in run(test)


def test_it_is_typed_and_beside_the_tree(check):
    body = "with calls.at_most(0, 'query'):\n    db.query()\n"
    out = check(body, "--pyftrace", argument="calls: 'pyftrace.testing.CallsFixture'")
    assert "Called test_it:3(calls=<pyftrace.testing.calls.CallsFixture object>)" in out
    assert "Failed: query: 1 call, not at most 0; by the block 1" in out
