"""What a recording promises whatever happens: what was recorded is there after a kill, a crash or a
full disk; what is not there is counted and said; the program goes on."""

import os
import re
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import Run, clean_environment

import pyftrace as api

HERE = Path(__file__).resolve().parent


def record_words(*words: str) -> list[str]:
    return [sys.executable, "-m", "pyftrace", "record", "-q", *words]


def test_what_was_acknowledged_survives_kill_9():
    """A few kills; `make kill` does a thousand."""
    words = [sys.executable, str(HERE / "faults" / "kill.py"), "--times", "10"]
    done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_processes_that_begin_at_once_share_a_recording():
    """A few times; `make joins` does a hundred."""
    words = [sys.executable, str(HERE / "faults" / "joins.py"), "--times", "5"]
    done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="it preloads a library of its own")
def test_without_memory_what_is_read_is_whole_or_not_called_done():
    """A few failures of each verb and format; `make oom` has many."""
    words = [sys.executable, str(HERE / "faults" / "oom.py"), "--verbs", "--times", "2"]
    done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


ENDS = {
    "segv": ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV),
    "null": ("ctypes.string_at(0)", -signal.SIGSEGV),
    "abort": ("os.abort()", -signal.SIGABRT),
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "term": ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    "_exit": ("os._exit(3)", 3),
    "exec": ("os.execv('/bin/sh', ['sh', '-c', 'exit 4'])", 4),
    "exit": ("sys.exit(5)", 5),
}


@pytest.mark.parametrize("end", ENDS)
def test_everything_is_there_at_every_end(end: str, tmp_path: Path):
    statement, status = ENDS[end]
    (tmp_path / "app.py").write_text(
        "import ctypes, os, signal, sys\n"
        "def leaf(n): return n\n"
        "def last():\n"
        "    for n in range(1000): leaf(n)\n"
        f"    {statement}\n"
        "last()\n"
    )
    done = subprocess.run(record_words("app.py"), cwd=tmp_path, env=clean_environment())
    assert done.returncode == status
    recording = api.open(tmp_path / "pyftrace.data")
    counted = Counter((event.event, event.function) for event in recording.events())
    assert counted["start", "last"] == 1
    assert counted["start", "leaf"] == counted["return", "leaf"] == 1000
    assert recording.damage == []
    complete = end in ("exit", "term")  # a signal handler of ours writes the end mark
    assert recording.info["state"] == ("COMPLETE" if complete else "INCOMPLETE")


def test_a_call_that_never_ended_is_shown_open(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("import os\ndef f(): os._exit(0)\nf()\n")
    pyftrace("record", "app.py")
    done = pyftrace("replay")
    assert done.stdout == "Called f:2\n"
    assert done.stderr.startswith("pyftrace: the recording is INCOMPLETE: pid ")
    assert done.returncode == 0


# ---- full disks ----------------------------------------------------------------------------------

BUSY = """\
import sys
def f(n):
    return n
for n in range(300_000):
    f(n)
print("ran")
sys.exit(7)
"""


def check_stopped(done: "subprocess.CompletedProcess[str]", where: Path, reason: str) -> None:
    """The program ran as untraced; one line says why and how much is missing; what is there can be
    read, and is marked."""
    assert (done.stdout, done.returncode) == ("ran\n", 7)
    match = re.fullmatch(
        rf"pyftrace: the recording stopped: {reason}; (\d+) events are missing\n", done.stderr
    )
    assert match, done.stderr
    recording = api.open(where)
    events = Counter(event.event for event in recording.events())
    assert recording.damage == []
    assert recording.info["state"] == "INCOMPLETE"
    assert reason in recording.info["why"][0]
    assert events["start"] > 1000
    assert events["start"] + events["return"] + int(match[1]) == 600_000
    assert recording.missing() == int(match[1])


def test_a_full_file_system(tmp_path: Path):
    (tmp_path / "app.py").write_text(BUSY)
    small = tmp_path / "small"
    small.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here; see test_a_limit_of_file_size")
    try:
        done = subprocess.run(
            record_words("-o", "small/data", "app.py"),
            cwd=tmp_path,
            env=clean_environment(),
            capture_output=True,
            text=True,
        )
        check_stopped(done, small / "data", "No space left on device")
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_limit_of_file_size(tmp_path: Path):
    (tmp_path / "app.py").write_text(BUSY)
    done = subprocess.run(
        record_words("app.py"),
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    check_stopped(done, tmp_path / "pyftrace.data", "File too large")


def test_definitions_without_room_for_more_stay(tmp_path: Path):
    """What is full first is the file of definitions; what it holds is not to be cut away."""
    (tmp_path / "app.py").write_text(
        "made = {}\n"
        "for n in range(3000):\n"
        "    exec(compile(f'def function_{n}(n): return n', __file__, 'exec'), made)\n"
        "    made[f'function_{n}'](n)\n"
    )
    done = subprocess.run(
        record_words("app.py"),
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000)),
    )
    assert done.returncode == 0
    match = re.search(r"File too large; (\d+) events are missing", done.stderr)
    assert match, done.stderr
    recording = api.open(tmp_path / "pyftrace.data")
    events = [event for event in recording.events() if event.event != "lost"]
    assert recording.damage == []
    assert len(events) > 100
    assert len(events) + int(match[1]) == 6000
    assert {event.function for event in events} == {
        f"function_{n}" for n in range(len(events) // 2)
    }


def test_max_size(tmp_path: Path):
    (tmp_path / "app.py").write_text(BUSY)
    done = subprocess.run(
        record_words("--max-size", "200k", "app.py"),
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    check_stopped(done, tmp_path / "pyftrace.data", "--max-size is reached")
    total = sum(path.stat().st_size for path in (tmp_path / "pyftrace.data").iterdir())
    assert total <= 200 * 1024


def test_a_disk_that_is_full_from_the_beginning(pyftrace: Run, tmp_path: Path):
    small = tmp_path / "small"
    small.mkdir()
    (tmp_path / "app.py").write_text("print('ran')\n")
    words = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(small)]
    if subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        done = pyftrace("record", "-o", "small/data", "app.py")
        assert (done.stdout, done.returncode) == ("ran\n", 0)
        assert re.fullmatch(
            r"pyftrace: cannot record to \S+/small/data: No space left on device;"
            r" running untraced\n",
            done.stderr,
        )
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_recording_ends_well_without_a_descriptor(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import os, resource\n"
        "def f(): pass\n"
        "f()\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
        "try:\n"
        "    while True: os.open('/dev/null', os.O_RDONLY)\n"
        "except OSError: print('ran')\n"
    )
    done = pyftrace("record", "app.py")
    assert (done.stdout, done.returncode) == ("ran\n", 0)
    assert re.fullmatch(r"pyftrace: cannot look into \S+: Too many open files\n", done.stderr)
    assert pyftrace("record", "-q", "-o", "quiet.data", "app.py").stderr == ""
    for name in ("pyftrace.data", "quiet.data"):
        assert api.open(tmp_path / name).info["state"] == "COMPLETE"


def test_the_program_closes_every_descriptor(pyftrace: Run, tmp_path: Path):
    """The recorder keeps none: nothing is lost, and nothing goes into the program's files."""
    (tmp_path / "app.py").write_text(
        "import os\n"
        "def f(): pass\n"
        "f()\n"
        "os.closerange(3, 256)\n"
        "files = [open(f'own-{n}', 'w') for n in range(20)]\n"
        "for _ in range(100_000): f()\n"
    )
    done = pyftrace("record", "app.py")
    assert (done.stdout, done.returncode) == ("", 0)
    assert all(path.stat().st_size == 0 for path in tmp_path.glob("own-*"))
    assert api.open(tmp_path / "pyftrace.data").report().calls("f") == 100_001


# ---- rings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 1000, 200_000, 1_000_000])
def test_a_ring_keeps_the_last_and_counts_the_rest(calls: int, pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        f"def f(): pass\ndef last(): pass\nfor _ in range({calls}): f()\nlast()\n"
    )
    done = pyftrace("record", "--ring", "256k", "app.py")
    assert (done.stdout, done.returncode) == ("", 0)
    recording = api.open(tmp_path / "pyftrace.data")
    events = list(recording.events())
    kept = [event for event in events if event.event != "lost"]
    assert [event.function for event in kept[-2:]] == ["last", "last"]
    assert len(kept) + recording.missing() == 2 * calls + 2
    assert sum(event.lost for event in events) == recording.missing()
    assert (recording.missing() > 0) == (calls >= 200_000)
    assert recording.info["state"] == ("INCOMPLETE" if recording.missing() else "COMPLETE")
    if recording.missing():
        assert "let go of" in recording.info["why"][0]
        assert len(kept) > 100_000  # most of the 256 KiB, a byte an event


# ---- threads -------------------------------------------------------------------------------------


def test_many_short_threads_take_few_files(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import threading\n"
        "def f(): pass\n"
        "for _ in range(500):\n"
        "    four = [threading.Thread(target=f) for _ in range(4)]\n"
        "    for t in four: t.start()\n"
        "    for t in four: t.join()\n"
    )
    pyftrace("record", "app.py")
    recording = api.open(tmp_path / "pyftrace.data")
    assert len(recording.threads) == 2000
    assert {thread["events"] for thread in recording.threads} == {2}
    assert len(list((tmp_path / "pyftrace.data").glob("*.lane"))) <= 6
    assert recording.report().calls("f") == 2000


def test_deep_recursion_is_recorded_whole(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import sys\nsys.setrecursionlimit(30_000)\n"
        "def down(n):\n    if n: down(n - 1)\n"
        "down(20_000)\n"
    )
    assert pyftrace("record", "app.py").returncode == 0
    recording = api.open(tmp_path / "pyftrace.data")
    depths = [event.depth for event in recording.events()]
    assert depths == [*range(20_001), *range(20_000, -1, -1)]
    assert recording.report().calls("down") == 20_001
