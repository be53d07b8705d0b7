"""A mistake is one line and an exit status, never a traceback of ours; trouble of ours is not the
program's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run, clean_environment

FOO = "def foo():\n    return 1\n\n\nfoo()\nprint('ran')\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "foo.py"
    path.write_text(FOO)
    return path


def one_line(text: str) -> str:
    assert text.startswith("pyftrace: ") and text.count("\n") == 1, text
    return text.removeprefix("pyftrace: ").rstrip("\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope.py"], "no such script: nope.py"),
        (["folder"], "folder is a directory without __main__.py"),
        (["--bogus", "foo.py"], "unknown option --bogus"),
        (["--formt", "json", "foo.py"], "unknown option --formt; did you mean --format?"),
        (["-x", "foo.py"], "unknown option -x"),
        (["-d"], "-d needs a value: -d N"),
        (["-d", "many", "foo.py"], "--depth: 'many' is not a whole number"),
        (["--args=1", "foo.py"], "--args takes no value"),
        (["-f", "", "foo.py"], "--function: bad pattern ''"),
        (["-f", "[a", "foo.py"], "--function: bad pattern '[a': '[' is not closed"),
        (["--values", "all", "foo.py"], "--values: 'all' is none of safe, str, none"),
        (["--sort", "size", "--report", "foo.py"], "--sort: 'size' is none of"),
        (["--format", "json", "foo.py"], "--format goes with --report"),
        (["-o", "no/such/folder/x", "foo.py"], "cannot write no/such/folder/x: No such file"),
        (["-o", ".", "foo.py"], "cannot write .: Is a directory"),
        (["-m"], "-m needs a module"),
        (["-c"], "-c needs code"),
        ([], "nothing to trace: name a script, -m MODULE or -c CODE (pyftrace -h)"),
        (["record"], "nothing to trace: name a script, -m MODULE or -c CODE (pyftrace record -h)"),
        (["help"], "no such script: help; did you mean pyftrace -h?"),
        (["infos"], "no such script: infos; did you mean pyftrace info?"),
        (["reprot", "run.data"], "no such script: reprot; did you mean pyftrace report?"),
        (["merge", "x"], "'merge' is a verb of a coming version"),
        (["ls"], "ls ("),
        (
            ["record", "--ring", "16M", "--max-size", "1M", "foo.py"],
            "--max-size: no room for one --ring",
        ),
    ],
)
def test_refusals(pyftrace: Run, script: Path, words: list[str], message: str):
    (script.parent / "folder").mkdir()
    done = pyftrace(*words)
    assert one_line(done.stderr).startswith(message)
    assert (done.stdout, done.returncode) == ("", 2)


def test_unreadable_script(pyftrace: Run, script: Path):
    script.chmod(0)
    if os.access(script, os.R_OK):
        pytest.skip("root reads everything")
    assert "cannot read foo.py: Permission denied" in pyftrace("foo.py").stderr


def test_a_file_named_like_a_verb(pyftrace: Run, script: Path):
    shutil.copy(script, script.parent / "record")
    for words in (["./record"], ["--", "record"]):
        assert "Called foo:1" in pyftrace(*words).stdout


def test_help_and_version(pyftrace: Run):
    done = pyftrace("-h")
    assert done.stdout.startswith("pyftrace: Python function tracing tool.\n")
    assert "--include PKG|GLOB" in done.stdout and "Examples:" in done.stdout
    assert "--launcher-pid" not in done.stdout and "--run-id" not in done.stdout
    assert "merge" not in done.stdout  # reserved, not there yet
    assert max(map(len, done.stdout.splitlines())) <= 130
    version = pyftrace("--version").stdout
    assert version.startswith("pyftrace version 0.")
    assert pyftrace("-V").stdout == version


def test_an_unknown_module_is_pythons_own_business(pyftrace: Run, python: Run):
    traced = pyftrace("-q", "-m", "no_such_module_at_all")
    plain = python("-m", "no_such_module_at_all")
    assert (traced.stderr, traced.returncode) == (plain.stderr, plain.returncode)


def test_a_pattern_that_matched_nothing(pyftrace: Run, script: Path):
    done = pyftrace("-f", "fooo", "foo.py")
    assert "warning: nothing matched 'fooo'; the nearest name is foo" in done.stderr
    assert pyftrace("-q", "-f", "fooo", "foo.py").stderr == ""


def test_quiet_has_no_running_line(pyftrace: Run, script: Path):
    assert pyftrace("-q", "foo.py").stdout == "Called foo:1 from line 5\nReturning foo-> 1\nran\n"


def test_no_site_is_refused(python: Run, script: Path):
    import pyftrace

    folder = str(Path(pyftrace.__file__).parents[1])
    done = python("-S", "-m", "pyftrace", "foo.py", env={"PYTHONPATH": folder})
    assert "-S" in one_line(done.stderr)
    assert done.returncode == 2


def test_bad_variable_is_one_line_and_the_program_runs(python: Run, script: Path):
    done = python("foo.py", env={"PYFTRACE": "--bogus"})
    assert one_line(done.stderr) == "PYFTRACE: unknown option --bogus; running untraced"
    assert (done.stdout, done.returncode) == ("ran\n", 0)
    done = python("foo.py", env={"PYFTRACE": "-f\\"})
    assert "a backslash ends the text" in one_line(done.stderr)


def test_the_variable_traces_without_the_command_line(python: Run, script: Path):
    assert python("foo.py", env={"PYFTRACE": "-a"}).stdout == (
        "Called foo:1() from line 5\nReturning foo-> 1\nran\n"
    )
    assert python("foo.py", env={"PYFTRACE": "off"}).stdout == "ran\n"
    assert python("foo.py", env={"PYFTRACE": "--launcher-pid=1"}).stdout == "ran\n"
    out = script.parent / "a b.txt"
    assert python("foo.py", env={"PYFTRACE": f"-o {str(out).replace(' ', chr(92) + ' ')}"}).stdout
    assert "Called foo" in out.read_text()


def shell(command: str, cwd: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", "-c", command.replace("PYFTRACE", f"{sys.executable} -m pyftrace")],
        cwd=cwd,
        env=clean_environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_standard_output_closed(script: Path):
    done = shell("PYFTRACE foo.py >&-; echo status $?", script.parent)
    assert done.stdout == "status 0\n"
    assert "standard output is closed: nowhere to print to; use -o FILE" in done.stderr


def test_broken_pipe_changes_nothing(script: Path):
    many = "def f(x):\n    return x\n\n\nfor i in range(20000):\n    f(i)\n"
    script.write_text(many + "import sys\nsys.stderr.write('finished')\nsys.exit(5)\n")
    done = shell("{ PYFTRACE foo.py; echo status $? >&2; } | head -n 1", script.parent)
    assert done.stdout == "Running script: foo.py\n"
    assert done.stderr == "finishedstatus 5\n"


def test_full_disk_is_said_and_changes_nothing(script: Path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    script.write_text("def f(x):\n    return x\n\n\nfor i in range(9):\n    f(i)\nprint('ran')\n")
    done = shell("PYFTRACE -o /dev/full foo.py; echo status $?", script.parent)
    assert done.stdout == "ran\nstatus 0\n"
    assert done.stderr == (
        "pyftrace: could not write the tree: No space left on device; 18 lines lost\n"
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_order_with_the_programs_output_through_a_pipe(script: Path, unbuffered: str):
    script.write_text("def main():\n    print('one')\n    print('two')\n\n\nmain()\n")
    done = shell("PYFTRACE -v foo.py | cat", script.parent, PYTHONUNBUFFERED=unbuffered)
    assert done.stdout.splitlines() == [
        "Running script: foo.py",
        "Called main:1 from line 6",
        "    Called print from line 2",
        "one",
        "    Returning print",
        "    Called print from line 3",
        "two",
        "    Returning print",
        "Returning main-> None",
    ]


def test_ascii_locale(script: Path):
    script.write_text("def grüße(x):\n    return x\n\n\ngrüße('é')\n", encoding="utf-8")
    done = shell(
        "PYFTRACE foo.py", script.parent, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    )
    assert "Called gr\\xfc\\xdfe:1" in done.stdout or "Called grüße:1" in done.stdout
    assert done.returncode == 0


def test_sigterm_prints_the_report(script: Path):
    script.write_text(
        "import time\ndef waits():\n    print('ready', flush=True)\n    time.sleep(60)\nwaits()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "pyftrace", "--report", "foo.py"],
        cwd=script.parent,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)][1] == "ready\n"
        process.terminate()
        out = process.stdout.read()
    assert process.returncode == -15
    assert "waits" in out and "| 1" in out


def test_children_are_noted(pyftrace: Run, script: Path):
    script.write_text(
        "import subprocess, sys\n"
        "for _ in range(2):\n    subprocess.run([sys.executable, '-c', 'pass'])\n"
    )
    assert "child processes are not shown" in pyftrace("foo.py").stderr
    assert "2 child processes not counted" in pyftrace("--report", "foo.py").stderr


def test_forked_children_are_shown_as_far_as_they_are(pyftrace: Run, script: Path):
    script.write_text("import os\nif os.fork():\n    os.wait()\nelse:\n    os._exit(0)\n")
    note = "a forked child is shown until it runs another program; pyftrace record shows that too"
    assert pyftrace("foo.py").stderr.splitlines()[-1] == f"pyftrace: {note}"
    assert "1 child process not counted" in pyftrace("--report", "foo.py").stderr


def test_a_forked_child_says_who_it_is(pyftrace: Run, script: Path):
    script.write_text(
        "import os, sys\ndef f(x):\n    return x\n\nf(1)\nsys.stdout.flush()\npid = os.fork()\n"
        "if pid == 0:\n    f(2)\n    sys.stdout.flush()\n    os._exit(0)\n"
        "os.waitpid(pid, 0)\nf(3)\n"
        "print(pid)\n"
    )
    out = pyftrace("foo.py").stdout.splitlines()
    pid = out[-1]
    assert f"[{pid} MainThread] Called f:2 from line 9" in out
    assert f"[{pid} MainThread] Returning f-> 2" in out
    assert out[-3:-1] == ["Called f:2 from line 13", "Returning f-> 3"]


def test_targets(pyftrace: Run, tmp_path: Path):
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("def early():\n    return 0\n\n\nearly()\n")
    (package / "__main__.py").write_text(FOO)
    assert "Called early:1 from __init__.py:5" in pyftrace("-m", "pkg").stdout
    for words in (["-m", "pkg"], ["pkg"], ["-c", FOO]):
        assert "Called foo:1 from line 5\nReturning foo-> 1\nran\n" in pyftrace(*words).stdout, (
            words
        )
    assert "Called foo:1 from line 5" in pyftrace("-", input=FOO).stdout
    archive = shutil.make_archive(str(tmp_path / "app"), "zip", package)
    assert "Called foo:1 from line 5" in pyftrace(archive).stdout


def test_very_verbose_has_no_start_up_noise(pyftrace: Run, script: Path):
    assert pyftrace("-vv", "-m", "foo").stdout.splitlines()[1] == "Called foo:1 from line 5"


def test_a_console_script_of_this_python(pyftrace: Run, script: Path, tmp_path: Path):
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = folder / "mytool"
    tool.write_text(f"#!{sys.executable}\n{FOO}")
    tool.chmod(0o755)
    done = pyftrace("mytool", env={"PATH": f"{folder}:{os.environ['PATH']}"})
    assert "Running script: mytool\nCalled foo:2 from line 6" in done.stdout
    tool.write_text("#!/bin/sh\necho no\n")
    done = pyftrace("mytool", env={"PATH": f"{folder}:{os.environ['PATH']}"})
    assert "is not a Python script" in one_line(done.stderr)


def test_interpreter_flags_are_passed_on(python: Run, script: Path):
    script.write_text(
        "import sys\nprint(sys.flags.optimize, sys.flags.dev_mode, sys.warnoptions)\n"
    )
    done = python("-O", "-X", "dev", "-W", "error", "-m", "pyftrace", "-q", "foo.py")
    assert done.stdout.splitlines()[-1] == "1 True ['default', 'error']"


def test_colors(pyftrace: Run, script: Path):
    assert "\033[36mfoo\033[0m" in pyftrace("--color=always", "foo.py").stdout
    assert "\033" not in pyftrace("foo.py").stdout


@pytest.mark.parametrize(
    "words",
    [["--report"], ["--sort", "self"], ["--columns", "none"], ["--limit", "3"], ["--format", "csv"],
     ["--color", "always"], ["--time"], ["--path"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_what_is_said_when_a_recording_is_looked_at_does_not_go_with_record(
    words: list[str], pyftrace: Run, script: Path
):
    done = pyftrace("record", *words, "foo.py")
    assert one_line(done.stderr) == f"{words[0]} does not go with record"
    assert (done.returncode, done.stdout) == (2, "")
    assert not (script.parent / "pyftrace.data").exists()


def test_room_for_one_ring_is_enough(pyftrace: Run, script: Path):
    done = pyftrace("record", "--ring", "256k", "--max-size", "320k", "foo.py")
    assert "1 calls recorded" in done.stderr or "1 call recorded" in done.stderr


def test_a_limit_below_zero(pyftrace: Run, script: Path):
    pyftrace("record", "-q", "foo.py")
    for words in (["report"], ["--report", "foo.py"]):
        done = pyftrace(words[0], "--limit", "-1", *words[1:])
        assert "--limit: -1 is out of range (at least 0)" in one_line(done.stderr)
        assert done.returncode == 2


NO_MEMORY = """\
import _testcapi
CODES = [compile("\\n" * n + "def made(): pass", __file__, "exec") for n in range(60)]
def run(n):
    try:
        _testcapi.set_nomemory(n, n + 1)
        exec(CODES[n], {})
    except MemoryError:
        pass
    _testcapi.remove_mem_hooks()
for n in range(60):
    run(n)
print("ran")
"""


@pytest.mark.skipif(
    sys.version_info >= (3, 15),
    reason="3.15 itself crashes when it finds no memory to switch an event off: a tool in Python"
    " that returns DISABLE, without us, shows it",
)
@pytest.mark.parametrize("mode", ["record -q -o run.data", "--report -v -o out", "-a -o out"])
def test_a_function_seen_first_without_memory(python: Run, tmp_path: Path, mode: str):
    """Of the allocations at the first sight of a function each fails in its turn."""
    pytest.importorskip("_testcapi")
    (tmp_path / "app.py").write_text(NO_MEMORY)
    done = python("app.py", env={"PYFTRACE": mode})
    assert (done.stdout, done.stderr, done.returncode) == ("ran\n", "", 0)


def test_a_pattern_that_matched_nothing_is_said(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("def square(n): return n * n\nsquare(2)\n")
    done = pyftrace("record", "-f", "sqare", "app.py")
    assert done.stderr == (
        "pyftrace: no calls in scope\n"
        "pyftrace: warning: nothing matched 'sqare'; the nearest name is square\n"
        "pyftrace: 0 calls recorded in pyftrace.data\n"
    )
    assert pyftrace("replay").stderr == "pyftrace: no calls in scope\n"


@pytest.mark.parametrize("words", [["replay"], ["report"], ["graph"], ["dump", "--format=folded"]])
def test_a_pattern_that_matched_nothing_of_a_recording(
    words: list[str], pyftrace: Run, tmp_path: Path
):
    (tmp_path / "app.py").write_text("def square(n): return n * n\nsquare(2)\n")
    pyftrace("record", "app.py")
    assert pyftrace(*words, "-f", "sqare").stderr == (
        "pyftrace: warning: nothing matched 'sqare'; did you mean square?\n"
    )


@pytest.mark.parametrize("option", ["--sort=calls", "--columns=self", "--limit=3", "--format=csv"])
def test_what_only_the_report_has_goes_with_report(option: str, pyftrace: Run, script: Path):
    done = pyftrace(option, "foo.py")
    assert one_line(done.stderr) == f"{option.partition('=')[0]} goes with --report"
    assert (done.returncode, done.stdout) == (2, "")
