"""``pytest --pyftrace``: what is printed under a failing test, as its user sees it."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

SHOP = """\
PRICES = {"tea": 3, "cake": 5}

def price(name, count):
    return lookup(name) * count

def lookup(name):
    return PRICES[name]
"""

Pytest = Callable[..., str]


@pytest.fixture
def run(python, tmp_path: Path) -> Pytest:
    """run(test, *options): what pytest prints of a test file beside shop.py; its status is in
    run.status."""
    (tmp_path / "shop.py").write_text(SHOP)
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def run(test: str, *options: str, plugins: tuple[str, ...] = (), **more: object) -> str:
        (tmp_path / "test_shop.py").write_text("import pytest, shop\n" + test)
        (tmp_path / "pytest.ini").touch()
        enabled = [f"-p{plugin}" for plugin in plugins]
        env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TMPDIR": str(temporary)}
        command = ["-P", "-m", "pytest", "-ppyftrace", "-pno:cacheprovider", *enabled]
        done = python(*command, *options, env=env | more.pop("env", {}), **more)
        run.status = done.returncode
        run.errors = done.stderr
        left = [name for name in os.listdir(temporary) if name.startswith("pyftrace-")]
        assert left == [], "the ring is left"
        return re.sub(r"\[\d[\d.]* (ns|us|ms|s)\]", "[TIME]", done.stdout)

    return run


def section(output: str, title: str = "pyftrace:") -> str:
    """The first section of ours, with its title, to the next heading or empty line."""
    lines = output.splitlines()
    first = next(i for i, line in enumerate(lines) if re.match(rf"-+ {title}", line))
    found = [lines[first].strip("- ")]
    for line in lines[first + 1 :]:
        if re.match(r"(__+|==+|--+) .* (__+|==+|--+)$|$", line):
            break
        found.append(line)
    return "\n".join(found) + "\n"


# ---- what it looks like --------------------------------------------------------------------------


def test_a_failing_assert_shows_what_the_test_called(run: Pytest):
    out = run("def test_price():\n    assert shop.price('tea', 2) == 7\n", "--pyftrace")
    assert (
        section(out)
        == """\
pyftrace: all 3 calls
Called test_price:2()
    Called price:3(name='tea', count=2) from line 3
        Called lookup:6(name='tea') from line 4
        Returning lookup-> 3  [TIME]
    Returning price-> 6  [TIME]
Raising test_price-> AssertionError: assert 6 == 7  [TIME]
raised at test_shop.py:3, in test_price
"""
    )


def test_an_exception_shows_the_way_it_took(run: Pytest):
    out = run("def test_price():\n    shop.price('coffee', 2)\n", "--pyftrace")
    assert (
        section(out)
        == """\
pyftrace: all 3 calls
Called test_price:2()
    Called price:3(name='coffee', count=2) from line 3
        Called lookup:6(name='coffee') from line 4
        Raising lookup-> KeyError: 'coffee'  [TIME]
    Raising price-> KeyError: 'coffee'  [TIME]
Raising test_price-> KeyError: 'coffee'  [TIME]
raised at shop.py:7, in lookup
"""
    )


def test_a_deep_recursion_stays_on_the_screen(run: Pytest):
    test = "def down(n): down(n + 1)\ndef test_down(): down(0)\n"
    found = section(run(test, "--pyftrace", "--pyftrace-lines=12", "--tb=native")).splitlines()
    assert found[1:3] == ["Called test_down:3()", "    Called down:2(n=0) from line 3"]
    assert any(line.startswith(" " * 64 + "[+") and "Raising down" in line for line in found)
    assert max(map(len, found)) < 160


def test_more_than_the_ring_holds(run: Pytest):
    test = (
        "def count(n, text):\n    return n\ndef test_all():\n    for i in range(30000):\n"
        "        count(i, 'x' * 50)\n    assert 0\n"
    )
    out = section(run(test, "--pyftrace", "--pyftrace-lines=4"))
    assert out.startswith("pyftrace: 30,001 calls, in 4 lines\nCalled test_all:4\n")
    assert "\n    Returning count-> 29999  [TIME]\nRaising test_all-> AssertionError" in out


def test_causes_are_named_in_their_order(run: Pytest):
    test = (
        "def test_cause():\n    try:\n        shop.lookup('x')\n    except KeyError as error:\n"
        "        raise ValueError('bad') from error\n"
    )
    assert section(run(test, "--pyftrace")).splitlines()[-2:] == [
        "KeyError raised at shop.py:7, in lookup",
        "ValueError raised at test_shop.py:6, in test_cause",
    ]


def test_raised_in_a_library_says_where_it_was_called(run: Pytest):
    test = "import json\ndef test_json():\n    json.loads('{')\n"
    last = section(run(test, "--pyftrace")).splitlines()[-1]
    assert re.fullmatch(
        r"raised at json/decoder.py:\d+, in \S+, called from test_shop.py:4, in test_json", last
    )


def test_nothing_is_printed_of_other_tests(run: Pytest):
    out = run(
        "def test_fine(): shop.price('tea', 1)\n"
        "def test_skipped(): pytest.skip('no')\n"
        "@pytest.mark.xfail\ndef test_expected(): shop.price('x', 1)\n"
        "@pytest.mark.xfail(strict=True)\ndef test_unexpected(): shop.price('tea', 1)\n"
        "def test_raises():\n    with pytest.raises(KeyError):\n        shop.price('x', 1)\n",
        "--pyftrace",
    )
    assert "1 failed, 2 passed, 1 skipped, 1 xfailed" in out
    assert "pyftrace:" not in out


def test_setup_and_teardown_show_what_led_to_them(run: Pytest):
    out = run(
        "@pytest.fixture\ndef early():\n    shop.price('milk', 1)\n"
        "@pytest.fixture\ndef late():\n    yield\n    shop.price('beer', 1)\n"
        "def test_early(early): pass\n"
        "def test_late(late): shop.price('tea', 1)\n",
        "--pyftrace",
    )
    early, late = out.split("at teardown of")
    assert section(early).startswith("pyftrace: all 3 calls\nCalled early:2()\n    Called price")
    assert section(late).startswith("pyftrace: all 2 calls\nResuming late:5\n    Called price")
    assert "tea" not in section(late)


def test_what_fixtures_made_is_shown_with_the_test(run: Pytest):
    test = (
        "@pytest.fixture\ndef cake(): return shop.price('cake', 2)\n"
        "def test_cake(cake): assert cake == 9\n"
    )
    assert section(run(test, "--pyftrace")).startswith(
        "pyftrace: all 4 calls\nCalled cake:2()\n    Called price:3(name='cake', count=2) from"
    )


def test_every_test_begins_anew(run: Pytest):
    test = "def test_a(): shop.price('tea', 1)\ndef test_b(): assert shop.lookup('cake') == 0\n"
    found = section(run(test, "--pyftrace"))
    assert found.startswith("pyftrace: all 2 calls\nCalled test_b:3()\n")
    assert "test_a" not in found and "tea" not in found


@pytest.mark.parametrize("how", ["--capture=no", "--show-capture=no", "--tb=short", "--tb=native"])
def test_it_stands_there_however_the_failure_is_printed(run: Pytest, how: str):
    out = run("def test_price():\n    assert shop.price('tea', 2) == 7\n", "--pyftrace", how)
    assert "Called price:3(name='tea', count=2)" in section(out)


def test_a_test_that_replaces_the_standard_streams(run: Pytest):
    test = (
        "import io, os, sys\ndef test_streams(capfd):\n"
        "    sys.stdout, sys.stderr = io.StringIO(), None\n    os.close(1)\n"
        "    try:\n        shop.price('x', 1)\n"
        "    finally:\n        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__\n"
        "        os.dup2(2, 1)\n"
    )
    assert "Raising lookup-> KeyError: 'x'" in section(run(test, "--pyftrace"))


def test_arguments_and_values_can_be_left_out(run: Pytest):
    test = "def test_price(): assert shop.price('tea', 2) == 7\n"
    out = section(run(test, "--pyftrace", "--no-pyftrace-args", "--pyftrace-values=none"))
    assert "\n    Called price:3\n" in out and "\n    Returning price  [TIME]\n" in out


def test_files_can_be_named(run: Pytest):
    test = "def test_price():\n    assert shop.price('tea', 2) == 7\n"
    out = run(test, "--pyftrace", "--pyftrace-path")
    assert (
        section(out)
        == """\
pyftrace: all 3 calls
Called test_price@test_shop.py:2()
    Called price@shop.py:3(name='tea', count=2) from test_shop.py:3
        Called lookup@shop.py:6(name='tea') from shop.py:4
        Returning lookup-> 3 @ shop.py  [TIME]
    Returning price-> 6 @ shop.py  [TIME]
Raising test_price-> AssertionError: assert 6 == 7 @ test_shop.py  [TIME]
raised at test_shop.py:3, in test_price
"""
    )
    colored = run(test, "-opyftrace=true", "-opyftrace_path=true", "--color=yes")
    assert "\x1b[36mprice\x1b[0m@shop.py:3(name='tea', count=2)" in colored


def test_colours_as_pytest_decides(run: Pytest):
    test = "def test_price(): shop.price('x', 2)\n"
    out = run(test, "--pyftrace", "--color=yes")
    assert "\x1b[31m\x1b[1mRaising\x1b[0m \x1b[36mlookup\x1b[0m-> KeyError: 'x'" in out
    assert "\x1b" not in run(test, "--pyftrace", "--color=no")


def test_junitxml_has_it(run: Pytest, tmp_path: Path):
    run("def test_price(): shop.price('x', 2)\n", "--pyftrace", "--junitxml=it.xml", "--color=yes")
    text = (tmp_path / "it.xml").read_text()
    assert "pyftrace: all 3 calls" in text and "Raising lookup-&gt; KeyError" in text
    assert "#x1B" not in text


# ---- kinds of tests ------------------------------------------------------------------------------


def test_unittest(run: Pytest):
    test = (
        "import unittest\nclass TestIt(unittest.TestCase):\n"
        "    def test_it(self):\n        self.assertEqual(shop.price('tea', 1), 4)\n"
    )
    found = section(run(test, "--pyftrace"))
    assert "Called price:3(name='tea', count=1) from line 5" in found
    assert found.endswith("\nraised at test_shop.py:5, in TestIt.test_it\n")


def test_threads_have_their_names_and_the_test_its_share_of_lines(run: Pytest):
    test = (
        "import threading\ndef work():\n    for i in range(100):\n        shop.price('tea', i)\n"
        "def test_it():\n    shop.lookup('cake')\n"
        "    thread = threading.Thread(target=work, name='w')\n"
        "    thread.start()\n    thread.join()\n    assert 0\n"
    )
    found = section(run(test, "--pyftrace", "--pyftrace-lines=8")).splitlines()
    assert "    Called lookup:6(name='cake') from line 7" in found
    assert "[w]     Called price:3(name='tea', count=99) from line 5" in found
    assert "[w]     ... 396 lines left out" in found


def test_tasks(run: Pytest):
    test = (
        "import asyncio\nasync def buy(name):\n    await asyncio.sleep(0)\n"
        "    return shop.price(name, 1)\nasync def both():\n"
        "    return await asyncio.gather(buy('tea'), buy('coffee'))\n"
        "def test_it():\n    asyncio.run(both())\n"
    )
    found = section(run(test, "--pyftrace"))
    assert re.search(r"\[Task-\d+\]     Raising buy-> KeyError: 'coffee'", found)
    assert found.endswith("\nraised at shop.py:7, in lookup\n")


@pytest.mark.parametrize("plugin", ["pytest_asyncio", "anyio"])
def test_async_plugins(run: Pytest, plugin: str):
    pytest.importorskip(plugin)
    mark = "asyncio" if plugin == "pytest_asyncio" else "anyio"
    test = f"@pytest.mark.{mark}\nasync def test_it():\n    shop.price('x', 1)\n"
    name = {"pytest_asyncio": "pytest_asyncio.plugin", "anyio": "anyio.pytest_plugin"}[plugin]
    found = section(run(test, "--pyftrace", "-Wignore", plugins=(name,)))
    assert "Called price:3(name='x', count=1) from line 4" in found
    assert "Raising test_it-> KeyError: 'x'" in found


def test_subtests(run: Pytest):
    if int(pytest.__version__.partition(".")[0]) < 9:
        pytest.skip("pytest 9 has them")
    test = (
        "def test_it(subtests):\n    for name in 'tea', 'x':\n"
        "        with subtests.test(name):\n            shop.lookup(name)\n"
    )
    assert "Raising lookup-> KeyError: 'x'" in section(run(test, "--pyftrace"))


def test_reruns_begin_anew(run: Pytest):
    pytest.importorskip("pytest_rerunfailures")
    test = "def test_it(): shop.price('x', 1)\n"
    out = run(test, "--pyftrace", "--reruns=2", plugins=("pytest_rerunfailures",))
    assert "2 rerun" in out
    assert section(out).startswith("pyftrace: all 3 calls\n")


# ---- together with others ------------------------------------------------------------------------


def test_xdist(run: Pytest):
    pytest.importorskip("xdist")
    test = (
        "@pytest.mark.parametrize('n', range(4))\n"
        "def test_it(n): assert shop.price('tea', n) == -1\n"
    )
    out = run(test, "--pyftrace", "-n2", plugins=("xdist",))
    assert out.count("pyftrace: all 3 calls") == 4
    for n in range(4):
        assert f"Called price:3(name='tea', count={n})" in out


@pytest.mark.parametrize("how", [["--dist=loadfile"], ["--dist=load", "-n0"], ["--tx=popen"]])
def test_xdist_that_has_no_workers(run: Pytest, how: list[str]):
    pytest.importorskip("xdist")
    options = ("--pyftrace", "--pyftrace-record=kept", *how)
    out = run("def test_it(): shop.price('x', 1)\n", *options, plugins=("xdist",))
    assert "Raising lookup-> KeyError: 'x'" in section(out)
    assert "1 recording in kept (1 failed)" in out


def test_a_worker_that_crashed_shows_its_last_calls(run: Pytest, tmp_path: Path):
    pytest.importorskip("xdist")
    test = (
        "import os, signal\ndef crash(how):\n    shop.lookup('tea')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "def test_fine(): shop.price('cake', 1)\ndef test_it(): crash('badly')\n"
    )
    options = ("--pyftrace", "-n1", "--pyftrace-record=kept")
    out = run(test, *options, plugins=("xdist",))
    assert (
        section(out)
        == """\
pyftrace: the last calls before the crash
Called test_it:7()
    Called crash:3(how='badly') from line 7
        Called lookup:6(name='tea') from line 4
        Returning lookup-> 3  [TIME]
"""
    )
    assert "1 recording in kept (1 crashed); to see it:\n  pyftrace replay kept/test_shop.py" in out
    assert os.listdir(tmp_path / "kept") == ["test_shop.py.test_it"]


@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_coverage(run: Pytest, core: str):
    pytest.importorskip("pytest_cov")
    test = "def test_it(): shop.price('x', 1)\n"
    options = ("--pyftrace", "--cov=shop", "--cov-report=term")
    out = run(test, *options, plugins=("pytest_cov",), env={"COVERAGE_CORE": core})
    assert re.search(r"shop.py +5 +0 +100%", out)
    assert "Raising lookup-> KeyError: 'x'" in section(out)


def test_beside_a_recording_of_all(run: Pytest, python, tmp_path: Path):
    run("def test_it(): shop.price('x', 1)\n", "--version")
    done = python(
        "-P", "-m", "pyftrace", "record", "-o", "all.data", "-m", "pytest", "--pyftrace",
        "-pno:cacheprovider",
    )  # fmt: skip
    assert "Raising lookup-> KeyError: 'x'" in section(done.stdout)
    done = python("-P", "-m", "pyftrace", "replay", "all.data")
    assert "Raising lookup-> KeyError: 'x'" in done.stdout


def test_tests_that_trace_themselves(run: Pytest):
    test = (
        "import pyftrace, sys\ndef test_stop():\n    pyftrace.start()\n    shop.lookup('tea')\n"
        "    pyftrace.stop()\n"
        "def test_report():\n    with pyftrace.report() as r:\n        shop.lookup('tea')\n"
        "    assert r.calls('lookup') == 2\n"
        "def test_free():\n    for i in range(6):\n        if sys.monitoring.get_tool(i):\n"
        "            sys.monitoring.free_tool_id(i)\n"
        "def test_after(): shop.lookup('x')\n"
    )
    report, after = run(test, "--pyftrace").split("_ test_after _")
    assert "Called lookup:6(name='tea') from line 9" in section(report)
    assert "Raising lookup-> KeyError: 'x'" in section(after)


def test_forks(run: Pytest):
    test = (
        "import os, multiprocessing\ndef test_it():\n    if (pid := os.fork()) == 0:\n"
        "        shop.lookup('tea')\n        os._exit(0)\n    os.waitpid(pid, 0)\n"
        "    fork = multiprocessing.get_context('fork')\n"
        "    p = fork.Process(target=shop.lookup, args=('tea',))\n    p.start()\n    p.join()\n"
        "    shop.lookup('x')\n"
    )
    found = section(run(test, "--pyftrace", "-Wignore"))
    assert found.startswith("pyftrace: all 2 calls\n") and "'tea'" not in found


def test_pytest_within_pytest(run: Pytest):
    test = (
        "pytest_plugins = ['pytester']\ndef test_outer(pytester):\n"
        "    test = 'def inner(n): return n\\ndef test_inner(): assert inner(5) == 6'\n"
        "    pytester.makepyfile(test)\n"
        "    result = pytester.runpytest_inprocess('--pyftrace', '-ppyftrace')\n"
        "    result.stdout.fnmatch_lines(['*pyftrace: all 2 calls*', '*inner:1(n=5)*'])\n"
        "    shop.lookup('x')\n"
    )
    out = run(test, "--pyftrace", "--show-capture=no", "-Wignore")
    found = section(out)
    assert "        Called inner:1(n=5) from line 2\n" in found  # the outer ring has the inner test
    assert "    Raising lookup-> KeyError: 'x'" in found


# ---- when it cannot ------------------------------------------------------------------------------


def test_without_a_tool_id_the_tests_run_and_a_line_says_why(run: Pytest):
    test = "def test_it(): shop.price('x', 1)\n"
    taken = "import sys\nfor i in range(6):\n    sys.monitoring.use_tool_id(i, f'tool {i}')\n"
    out = run(test + taken, "--pyftrace")
    assert "1 failed" in out
    assert re.search(r"^no calls are shown: .*tool 0.*$", out, re.M)


def test_without_a_place_for_the_ring_too(run: Pytest):
    conftest = (
        "import tempfile\ndef refuse(*a, **k):\n"
        "    raise OSError(28, 'No space left on device', '/tmp/x')\n"
        "def pytest_collection_finish():\n    tempfile.mkdtemp = refuse\n"
    )
    out = run(conftest + "def test_it(): shop.price('x', 1)\n", "--pyftrace", "-ptest_shop",
              env={"PYTHONPATH": "."})  # fmt: skip
    assert "1 failed" in out and "pyftrace: all" not in out
    assert "\nno calls are shown: /tmp/x: No space left on device\n" in out


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--pyftrace-lines=x"], "--pyftrace-lines: 'x' is not a whole number"),
        (["--pyftrace-lines=0"], "--pyftrace-lines: 0 is out of range (at least 1)"),
        (["--pyftrace-values=all"], "--pyftrace-values: 'all' is none of safe, str, none"),
        (["--pyftrace-include=["], "--pyftrace-include: bad pattern '[': '[' is not closed"),
        (["--pyftrace-slower-than=2s"], "--pyftrace-slower-than goes with --pyftrace-record DIR"),
        (
            ["--pyftrace-record=kept", "--pyftrace-slower-than=soon"],
            "--pyftrace-slower-than: 'soon' is no time; 5us, 1.5ms or 2s is",
        ),
        (["--pyftrace-record=shop.py"], "--pyftrace-record: {here}/shop.py: File exists"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_a_usage_error_in_one_line(
    run: Pytest, options: list[str], line: str, tmp_path: Path
):
    run("def test_it(): pass\n", "--pyftrace", *options)
    assert run.status == 4
    assert run.errors.strip() == f"ERROR: {line.format(here=tmp_path)}"


def test_it_can_be_asked_for_in_the_ini_file(run: Pytest, tmp_path: Path):
    ini = "[pytest]\npyftrace = true\npyftrace_lines = 1\npyftrace_args = true\n"
    ini += "pyftrace_include = json decimal\n"
    (tmp_path / "pytest.ini").write_text(ini)
    test = "import json\ndef test_it():\n    json.dumps(1)\n    assert 0\n"
    assert section(run(test)).endswith("\nraised at test_shop.py:5, in test_it\n")
    assert "Called dumps" in section(run(test, "--pyftrace-lines=9"))
    assert "pyftrace:" not in run(test, "-opyftrace=false")
    assert run("", "-pno:pyftrace").count("pyftrace") <= 5  # unknown ini options


def test_unasked_it_loads_nothing(run: Pytest):
    test = (
        "import sys\ndef test_it():\n"
        "    assert not [m for m in sys.modules if m.startswith('pyftrace.') and m not in\n"
        "                ('pyftrace._version', 'pyftrace._start', 'pyftrace.pytest_plugin')]\n"
    )
    assert "1 passed" in run(test)


def test_help_has_examples(run: Pytest):
    out = re.sub(r"\s+", " ", run("", "--help"))
    assert "pytest --pyftrace --pyftrace-include attr" in out
    assert "--pyftrace-slower-than=TIME" in out or "--pyftrace-slower-than TIME" in out


# ---- recordings ----------------------------------------------------------------------------------

KEPT = """\
import time
def test_failing(): shop.price("x", 1)
def test_slow(): time.sleep(0.3)
def test_quick(): shop.price("tea", 1)
@pytest.mark.pyftrace_record
def test_chosen(): shop.price("cake", 1)
@pytest.mark.parametrize("name", ["a/b", "a_b", "a.b", "[", "\\u00fc", "x" * 200])
def test_ids(name): shop.lookup(name)
"""


def test_recordings_of_failing_slow_and_chosen_tests(run: Pytest, pyftrace, tmp_path: Path):
    out = run(KEPT, "--pyftrace-record=kept", "--pyftrace-slower-than=200ms", "-knot ids")
    kept = {path.name for path in (tmp_path / "kept").iterdir()}
    assert kept == {f"test_shop.py.test_{name}" for name in ("failing", "slow", "chosen")}
    summary = "3 recordings in kept (1 failed, 1 marked, 1 slow); to see one:\n"
    assert summary + "  pyftrace replay kept/test_shop.py.test_chosen\n" in out
    assert "pyftrace: all" not in out, "only --pyftrace prints"
    done = pyftrace("replay", "kept/test_shop.py.test_failing")
    assert "Raising lookup-> KeyError: 'x'" in done.stdout and "chosen" not in done.stdout
    done = pyftrace("info", "kept/test_shop.py.test_failing")
    assert "state        COMPLETE" in done.stdout


def test_each_test_id_has_a_name_of_its_own(run: Pytest, tmp_path: Path):
    run(KEPT, "--pyftrace-record=kept", "-kids")
    names = sorted(os.listdir(tmp_path / "kept"))
    assert len(names) == 6
    assert {"test_shop.py.test_ids-a_b", "test_shop.py.test_ids-a.b"} <= set(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,110}", name) for name in names)


def test_an_earlier_recording_is_kept_as_old_and_nothing_else_touched(run: Pytest, tmp_path: Path):
    for _ in range(2):
        run(KEPT, "--pyftrace-record=kept", "-kfailing")
    assert sorted(os.listdir(tmp_path / "kept")) == [
        "test_shop.py.test_failing", "test_shop.py.test_failing.old",
    ]  # fmt: skip
    (tmp_path / "kept/test_shop.py.test_chosen").mkdir()
    (tmp_path / "kept/test_shop.py.test_chosen/mine").write_text("mine")
    out = run(KEPT, "--pyftrace-record=kept", "-kchosen")
    assert "a recording is not kept: " in out and "is no recording of ours" in out
    assert (tmp_path / "kept/test_shop.py.test_chosen/mine").read_text() == "mine"
    assert len(os.listdir(tmp_path / "kept")) == 3


def test_a_recording_is_no_directory_of_recordings(run: Pytest, tmp_path: Path):
    run(KEPT, "--pyftrace-record=kept", "-kfailing")
    run(KEPT, "--pyftrace-record=kept/test_shop.py.test_failing", "-kfailing")
    assert run.status == 4 and "is a recording, not a directory of recordings" in run.errors


# ---- what counts as the user's code --------------------------------------------------------------


def test_a_library_can_be_included(run: Pytest):
    test = "import json\ndef test_it():\n    json.dumps(1)\n    assert 0\n"
    assert "dumps" not in section(run(test, "--pyftrace"))
    assert "Called dumps" in section(run(test, "--pyftrace", "--pyftrace-include=json"))


def test_the_package_under_test_is_the_users_wherever_it_is_installed(run: Pytest, tmp_path: Path):
    site = tmp_path / "lib" / "site-packages"
    (site / "cafe").mkdir(parents=True)
    (site / "cafe" / "__init__.py").write_text("def tea(n):\n    return n\n")
    info = site / "cafe-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Cafe\nVersion: 1\n")
    (info / "RECORD").write_text("cafe/__init__.py,,\ncafe-1.dist-info/METADATA,,\n")
    test = "import cafe\ndef test_it():\n    assert cafe.tea(2) == 3\n"
    env = {"PYTHONPATH": str(site)}
    assert "Called tea" not in section(run(test, "--pyftrace", env=env))
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'cafe'\n")
    assert "Called tea:1(n=2) from line 4" in section(run(test, "--pyftrace", env=env))
