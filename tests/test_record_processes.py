"""One directory for all processes of a program: forked, spawned, started by a shell, by a pool, by
a command that is not ours; sub-interpreters too. Every process is in `info`, every call counted."""

import os
import re
import sys
from pathlib import Path

import pytest
from conftest import Run, clean_environment

import pyftrace as api

WORKERS = """\
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor

def work(n):
    return inner(n)

def inner(n):
    return n * n

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    if sys.argv[2] == "pool":
        with context.Pool(4) as pool:
            print(sum(pool.map(work, range(100))))
            pool.close()
            pool.join()
    else:
        with ProcessPoolExecutor(4, mp_context=context) as pool:
            print(sum(pool.map(work, range(100))))
"""


def calls(path: Path) -> dict[str, int]:
    return {row.function: row.calls for row in api.open(path).report().rows}


def processes(path: Path) -> int:
    return len({item["pid"] for item in api.open(path).processes})


@pytest.mark.parametrize("how", ["pool", "executor"])
@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_workers_of_multiprocessing(method: str, how: str, pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(WORKERS)
    done = pyftrace("record", "app.py", method, how)
    assert (done.stdout, done.returncode) == ("328350\n", 0)
    assert re.search(
        r"^pyftrace: 0 calls, and those of \d more processes, recorded in pyftrace\.data; to see"
        r" them: pyftrace replay$",
        done.stderr,
        re.M,
    ), done.stderr
    assert done.stderr.count("pyftrace:") == 1
    assert calls(tmp_path / "pyftrace.data") == {"work": 100, "inner": 100}
    # An executor starts its workers as they are needed, one at least.
    server = method == "forkserver"
    least = 1 + server + (4 if how == "pool" else 1)
    assert least <= processes(tmp_path / "pyftrace.data") <= 1 + server + 4
    assert api.open(tmp_path / "pyftrace.data").info["state"] == "COMPLETE"


def test_workers_count_multiprocessings_own_code_as_library(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(WORKERS)
    pyftrace("record", "-v", "app.py", "spawn", "pool")
    found = calls(tmp_path / "pyftrace.data")
    assert found["work"] == found["inner"] == 100
    assert "spawn_main" not in found and "BaseContext.Pool" in found


CHILDREN = {
    "list": "subprocess.run([sys.executable, 'child.py'])",
    "string": "subprocess.run(f'exec {sys.executable} child.py', shell=True)",
    "shell": "subprocess.run(f'{sys.executable} child.py; true', shell=True)",
    "module": "subprocess.run([sys.executable, '-m', 'child'])",
    "code": "subprocess.run([sys.executable, '-c', 'import child'])",
    "isolated": "subprocess.run([sys.executable, '-I', os.path.abspath('child.py')])",
    "system": "os.system(f'{sys.executable} child.py')",
    "spawnv": "os.spawnv(os.P_WAIT, sys.executable, [sys.executable, 'child.py'])",
    "posix_spawn": "os.waitpid(os.posix_spawn(sys.executable, [sys.executable, 'child.py'],"
    " os.environ), 0)",
    "exec": "os.execv(sys.executable, [sys.executable, 'child.py'])",
}


@pytest.mark.parametrize("how", CHILDREN)
def test_children_join_the_recording(how: str, pyftrace: Run, tmp_path: Path):
    (tmp_path / "child.py").write_text("def child():\n    print('child')\nchild()\n")
    (tmp_path / "app.py").write_text(
        f"import os, subprocess, sys\ndef parent():\n    {CHILDREN[how]}\nparent()\n"
    )
    done = pyftrace("record", "app.py")
    assert (done.stdout, done.returncode) == ("child\n", 0)
    assert calls(tmp_path / "pyftrace.data") == {"parent": 1, "child": 1}
    assert processes(tmp_path / "pyftrace.data") == (1 if how == "exec" else 2)
    assert api.open(tmp_path / "pyftrace.data").info["state"] == "COMPLETE"


def test_without_children(pyftrace: Run, tmp_path: Path):
    (tmp_path / "child.py").write_text("def child():\n    print('child')\nchild()\n")
    (tmp_path / "app.py").write_text(
        "import os, subprocess, sys\n"
        "def parent():\n"
        "    subprocess.run([sys.executable, 'child.py'])\n"
        "    print('PYFTRACE' in os.environ)\n"
        "parent()\n"
    )
    done = pyftrace("record", "--no-children", "app.py")
    assert sorted(done.stdout.split()) == ["False", "child"]
    assert calls(tmp_path / "pyftrace.data") == {"parent": 1}


def test_a_child_forked_from_a_thread(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import os, threading, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "def outer():\n"
        "    forks()\n"
        "def forks():\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        in_child()\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "def in_child(): pass\n"
        "t = threading.Thread(target=outer, name='forker')\n"
        "t.start(); t.join()\n"
    )
    assert pyftrace("record", "app.py").returncode == 0
    recording = api.open(tmp_path / "pyftrace.data")
    parent, child = (item["pid"] for item in recording.processes)
    assert recording.processes[1]["forked"] and recording.processes[1]["parent"] == parent
    events = [(event.pid == child, event.event, event.function) for event in recording.events()]
    assert [event for event in events if not event[0]] == [
        (False, "start", "outer"),
        (False, "start", "forks"),
        (False, "return", "forks"),
        (False, "return", "outer"),
    ]
    # Calls that were open at the fork are the child's too, but no events of its own.
    assert [event for event in events if event[0]] == [
        (True, "start", "in_child"),
        (True, "return", "in_child"),
    ]
    assert re.search(r"^\[\d+ forker\] +Called in_child:11$", pyftrace("replay").stdout, re.M)
    assert calls(tmp_path / "pyftrace.data") == {"outer": 1, "forks": 1, "in_child": 1}
    # Nobody knows how long a call took of which the child saw the end alone.
    rows = {row.function: row for row in recording.report().rows}
    assert rows["forks"].min_ns == rows["forks"].max_ns < rows["forks"].total_ns


def test_ten_generations_of_forks(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import os\n"
        "def step(): pass\n"
        "for _ in range(10):\n"
        "    step()\n"
        "    pid = os.fork()\n"
        "    if pid:\n"
        "        os.waitpid(pid, 0)\n"
        "        break\n"
    )
    assert pyftrace("record", "app.py").returncode == 0
    assert calls(tmp_path / "pyftrace.data") == {"step": 10}
    assert processes(tmp_path / "pyftrace.data") == 11


def test_a_command_that_is_not_python(pyftrace: Run, tmp_path: Path):
    (tmp_path / "child.py").write_text("def child(): pass\nchild()\n")
    done = pyftrace("record", "sh", "-c", f"{sys.executable} child.py; {sys.executable} child.py")
    assert (done.stdout, done.returncode) == ("", 0)
    assert calls(tmp_path / "pyftrace.data") == {"child": 2}
    assert api.open(tmp_path / "pyftrace.data").info["state"] == "COMPLETE"


def test_the_environment_alone(python: Run, tmp_path: Path):
    """`PYFTRACE='record -o DIR' COMMAND`, and a second one joins."""
    (tmp_path / "child.py").write_text("def child(): pass\nchild()\n")
    (tmp_path / "app.py").write_text(
        "import os, subprocess, sys\nos.makedirs('deep')\n"
        "subprocess.run([sys.executable, '../child.py'], cwd='deep')\n"
    )
    environment = {"PYFTRACE": "record -q -o run.data"}
    assert python("app.py", env=environment).stderr == ""
    assert python("child.py", env=environment).stderr == ""
    assert calls(tmp_path / "run.data") == {"child": 2}
    assert not (tmp_path / "deep" / "run.data").exists()


def test_the_environment_never_rotates_or_overwrites(python: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("def f(): pass\nf()\nprint('ran')\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("mine")
    done = python("app.py", env={"PYFTRACE": "record -o mine"})
    assert done.stdout == "ran\n"
    assert done.stderr == (
        f"pyftrace: {tmp_path / 'mine'} is no recording of ours; running untraced\n"
    )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["x"]


def test_a_directory_taken_by_another_run(pyftrace: Run, tmp_path: Path):
    """A process of an older run finds that DIR belongs to another one now: untraced, one line."""
    (tmp_path / "app.py").write_text("def f(): pass\nf()\n")
    (tmp_path / "child.py").write_text("def child(): pass\nchild()\nprint('ran')\n")
    pyftrace("record", "app.py")
    from pyftrace import options

    words = options.words_of(
        options.Options(record=True, output=str(tmp_path / "pyftrace.data"), run_id="0" * 32)
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, "child.py"],
        cwd=tmp_path,
        env=clean_environment(PYFTRACE=options.join(words)),
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == ("ran\n", 0)
    assert "belongs to another recording now; running untraced" in done.stderr
    assert done.stderr.count("\n") == 1
    assert calls(tmp_path / "pyftrace.data") == {"f": 1}


def test_a_process_that_could_not_record_is_named(pyftrace: Run, tmp_path: Path):
    """All ids are taken in the child: info says which process is missing, and why."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'child.py' in sys.orig_argv[-1]:\n"
        "    for i in range(6):\n"
        "        if sys.monitoring.get_tool(i) is None:\n"
        "            sys.monitoring.use_tool_id(i, 'greedy')\n"
    )
    (tmp_path / "child.py").write_text("print('ran')\n")
    (tmp_path / "app.py").write_text(
        "import os, subprocess, sys\n"
        "env = os.environ | {'PYTHONPATH': os.getcwd()}\n"
        "subprocess.run([sys.executable, 'child.py'], env=env)\n"
    )
    done = pyftrace("record", "app.py")
    if "running untraced" not in done.stderr:
        pytest.skip("site runs the hook before sitecustomize: nothing can be in the way")
    assert done.stdout == "ran\n"
    info = pyftrace("info").stdout
    assert re.search(r"^state +INCOMPLETE\n +pid \d+: .*greedy", info, re.M), info


@pytest.mark.skipif(sys.version_info < (3, 14), reason="InterpreterPoolExecutor is of 3.14")
def test_sub_interpreters(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "from concurrent.futures import InterpreterPoolExecutor\n"
        "def work(n): return inner(n)\n"
        "def inner(n): return n * n\n"
        "if __name__ == '__main__':\n"
        "    with InterpreterPoolExecutor(3) as pool:\n"
        "        print(sum(pool.map(work, range(50))))\n"
    )
    done = pyftrace("record", "app.py")
    assert done.stdout == "40425\n"
    assert done.stderr.count("pyftrace:") == 1
    assert calls(tmp_path / "pyftrace.data") == {"work": 50, "inner": 50}
    recording = api.open(tmp_path / "pyftrace.data")
    assert recording.info["state"] == "COMPLETE"
    assert len({item["pid"] for item in recording.processes}) == 1
    assert sorted(item["interpreter"] for item in recording.processes)[0] == 0


@pytest.mark.skipif(sys.version_info < (3, 14), reason="concurrent.interpreters is of 3.14")
def test_what_a_sub_interpreter_is_given_to_run_is_the_programs(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "from concurrent import interpreters\n"
        "i = interpreters.create()\n"
        "i.exec('def f(): g()\\ndef g(): pass\\nf()\\nf()')\n"
        "i.close()\n"
    )
    assert pyftrace("record", "app.py").returncode == 0
    assert calls(tmp_path / "pyftrace.data") == {"f": 2, "g": 2}


def test_a_test_suite_run_by_xdist(python: Run, tmp_path: Path):
    """`PYFTRACE=... pytest -n 2`: the workers are Pythons that execnet starts."""
    pytest.importorskip("xdist")
    (tmp_path / "code.py").write_text("def used(n):\n    return n\n")
    (tmp_path / "test_code.py").write_text(
        "import pytest, importlib\n"
        "from code_under_test import used\n"
        "@pytest.mark.parametrize('n', range(20))\n"
        "def test_used(n): assert used(n) == n\n"
    )
    (tmp_path / "code.py").rename(tmp_path / "code_under_test.py")
    done = python(
        *("-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"),
        env={"PYFTRACE": "record -q -o run.data", "PYTHONPATH": os.fspath(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 passed" in done.stdout
    found = calls(tmp_path / "run.data")
    assert (found["used"], found["test_used"]) == (20, 20)
    assert processes(tmp_path / "run.data") == 3


def test_no_children_leaves_forked_ones_out(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import os\ndef f(): pass\nf()\npid = os.fork()\n"
        "if not pid:\n    for _ in range(9): f()\n    raise SystemExit\n"
        "os.waitpid(pid, 0)\nf()\n"
    )
    done = pyftrace("record", "--no-children", "app.py")
    assert "2 calls recorded in pyftrace.data" in done.stderr and done.stderr.count("\n") == 1
    recording = api.open(tmp_path / "pyftrace.data")
    assert recording.report().calls("f") == 2
    assert recording.info["state"] == "COMPLETE"  # the child's end is not written into its file


def test_a_command_may_be_a_path(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("def f(): pass\nf()\n")
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\n{sys.executable} app.py\nexit 3\n")
    script.chmod(0o755)
    done = pyftrace("record", "./run.sh")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "pyftrace: the Pythons that run.sh starts are recorded in pyftrace.data;"
        " to see them: pyftrace replay\n"
    )
    assert api.open(tmp_path / "pyftrace.data").report().calls("f") == 1


def test_what_ran_before_exec_is_named(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import os, sys\ndef f(): pass\nf()\n"
        "if len(sys.argv) < 2: os.execv(sys.executable, [sys.executable, 'app.py', 'again'])\n"
    )
    done = pyftrace("record", "app.py")
    assert "1 call, and those of what ran before exec, recorded in" in done.stderr
    assert api.open(tmp_path / "pyftrace.data").report().calls("f") == 2
