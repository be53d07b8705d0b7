"""The directory of a flight recorder: its processes make it, join it and take it along, at once."""

import os
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import Run, clean_environment, until
from flights import APP, app, calls, functions, names

import pyftrace as api
from pyftrace import _engine, folder


def test_a_child_that_outlives_its_parent(pyftrace: Run, tmp_path: Path):
    """The directory, gone with the parent, is made again; and gone again if nothing happens."""
    (tmp_path / "child.py").write_text(
        APP + "def told():\n    with open('go') as file: return file.read() == 'go'\n"
        "while not told(): time.sleep(0.01)\nserve(1)\n"
        "if len(sys.argv) > 1: fail(2)\n"
    )
    # Untraced at first, so that it has no ring yet when its parent ends.
    later = "import os, sys, time; time.sleep(0.2);"
    later += " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    app(
        tmp_path,
        "import subprocess, warnings\nwarnings.simplefilter('ignore')\nquery(1)\n"
        "for more in ([], ['fail']):\n"
        f"    words = [sys.executable, '-S', '-c', {later!r}, 'child.py', *more]\n"
        "    err = open(f'err{len(more)}', 'w')\n"
        "    subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=err)\n",
    )
    (tmp_path / "go").write_text("")
    done = pyftrace("record", "--dump-on", "exception", "app.py")
    assert done.stderr == "pyftrace: no dump: nothing happened that --dump-on names\n"
    (tmp_path / "go").write_text("go")
    until(lambda: names(tmp_path / "pyftrace.data") == ["dump-1", "run"])
    until((tmp_path / "pyftrace.data" / "dump-1" / "run").exists)
    found = calls(tmp_path / "pyftrace.data")
    assert found - Counter(told=found["told"]) == {"serve": 1, "handle": 1, "query": 2, "fail": 1}
    assert (tmp_path / "err0").read_text() == ""


def test_a_run_that_leaves_nothing_gives_the_older_recording_its_name_back(
    pyftrace: Run, tmp_path: Path
):
    app(tmp_path, "serve(1)\nif len(sys.argv) > 1: fail(1)\n")
    pyftrace("record", "-q", "--dump-on", "exception", "app.py", "fail")
    for _ in range(2):
        pyftrace("record", "--dump-on", "exception", "app.py")
        assert names(tmp_path) == ["app.py", "pyftrace.data"]
    assert functions(tmp_path / "pyftrace.data")[-1] == "unwind fail"


def test_another_pid_of_the_same_digits_is_not_ours(tmp_path: Path):
    for name in ("ring.12", "ring.12.1", "ring.123", "dump-2", "dump-10", "ring.4"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run").touch()
    assert folder.rings(str(tmp_path), 12) == ["ring.12", "ring.12.1"]
    assert folder.parts(str(tmp_path))[:2] == ["dump-2", "dump-10"]


def test_a_child_that_outlives_its_parent_leaves_an_older_recording_alone(
    pyftrace: Run, tmp_path: Path
):
    """That has got its name back when the child's ring is made; all such children share one
    directory beside it."""
    (tmp_path / "first.py").write_text(APP + "serve(3)\n")
    pyftrace("record", "-q", "first.py")
    before = names(tmp_path / "pyftrace.data")
    (tmp_path / "child.py").write_text(APP + "fail(2)\n")
    wait = "import os, sys, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    wait += "os.execv(sys.executable, [sys.executable, 'child.py'])"
    app(
        tmp_path,
        "import subprocess, warnings\nwarnings.simplefilter('ignore')\nquery(1)\n"
        "for err in 'ab':\n"
        f"    words = [sys.executable, '-S', '-c', {wait!r}]\n"
        "    subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=open(err, 'w'))\n",
    )
    pyftrace("record", "-q", "--dump-on", "exception", "app.py")
    assert names(tmp_path / "pyftrace.data") == before
    (tmp_path / "go").touch()
    ended = ["dump-1", "dump-2", "run"]
    until(lambda: [names(path) for path in tmp_path.glob("pyftrace.data.*")] == [ended])
    (beside,) = tmp_path.glob("pyftrace.data.*")
    until((beside / "dump-1" / "run").exists), until((beside / "dump-2" / "run").exists)
    assert names(tmp_path / "pyftrace.data") == before
    assert calls(beside / "dump-1") + calls(beside / "dump-2") == {"fail": 2, "query": 2}
    said = (tmp_path / "a").read_text() + (tmp_path / "b").read_text()
    assert said.count("pyftrace: ") == 1
    assert f"data is another recording by now; this one goes to {beside}\n" in said


@pytest.mark.parametrize("inside", ["", "run", "ring.7", "mine.txt"])
def test_what_is_no_recording_is_refused(tmp_path: Path, inside: str):
    (tmp_path / "other").mkdir()
    if inside:
        (tmp_path / "other" / inside).touch()
    with pytest.raises(folder.FolderError, match="is no recording of ours"):
        folder.join(_engine, str(tmp_path / "other"), os.getpid(), 0, ())
    (tmp_path / "file").touch()
    with pytest.raises(folder.FolderError, match="is no recording of ours"):
        folder.join(_engine, str(tmp_path / "file"), os.getpid(), 0, ())
    assert names(tmp_path) == ["file", "other"]


def test_the_id_of_a_run(tmp_path: Path):
    home = str(tmp_path / "data")
    given = "00" * 16
    assert folder.join_alone(_engine, home, os.getpid(), 0, (), given) == given
    assert folder.join_alone(_engine, home, os.getpid(), 0, (), "5a" * 16) == given
    for wrong in ("xyz", "5a" * 15):
        with pytest.raises(folder.FolderError, match=f"'{wrong}' is no id of a recording"):
            folder.join_alone(_engine, str(tmp_path / "new"), os.getpid(), 0, (), wrong)
    with pytest.raises(ValueError, match="16 bytes"):
        _engine.create_run(str(tmp_path / "new"), 1, run_id=b"short")
    assert names(tmp_path) == ["data"]


def test_one_at_a_time(tmp_path: Path, python: Run):
    """Who comes while another makes or takes along a directory waits; in vain for a second, once
    in a process, and goes on then."""
    home = str(tmp_path / "data")
    lock = _engine.lock_run(home)
    assert lock is not None
    joined: list[str] = []

    def join() -> None:
        joined.append(folder.join(_engine, home, 1, 0, ())[1])

    one = threading.Thread(target=join)
    one.start()
    assert not Path(home).exists()
    del lock
    one.join()
    assert joined == [_engine.read_run(home)[0]]
    assert names(tmp_path) == ["data"]
    assert _engine.lock_run(str(tmp_path / "none" / "data")) is None
    lock = _engine.lock_run(str(tmp_path / "pyftrace.data"))  # of a process that is stopped
    (tmp_path / "app.py").write_text(APP + "fail(1)\n")
    done = python("app.py", env={"PYFTRACE": "record --dump-on exception"})
    assert done.returncode == 1 and "1 dump in pyftrace.data" in done.stderr
    del lock


def test_what_is_there_is_joined_without_making_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Where the folder it lies in can be read alone."""
    made = folder.join(_engine, str(tmp_path / "data"), os.getpid(), 0, ())
    monkeypatch.setattr(_engine, "create_run", lambda *_, **__: pytest.fail("made"))
    assert folder.join(_engine, str(tmp_path / "data"), os.getpid(), 0, ()) == made


def born_ns() -> int:
    """When this process was, by the wall clock."""
    started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")
    return time.time_ns() - int(age * 10**9)


def test_who_writes_there(tmp_path: Path, nothing_left_on: None):
    """Of those that have not ended, the ones that live: with that pid, since before they began."""
    data = tmp_path / "data"
    with api.record(data):
        assert _engine.is_written(str(data))
        (defs,) = data.glob("*.defs")
        content = defs.read_bytes()
    assert not _engine.is_written(str(data))  # it has ended
    wall = 72 + 16  # in a process's head: of `first`, behind ticks and monotonic
    (then,) = struct.unpack_from("=Q", content, wall)
    assert abs(time.time_ns() - then) < 60 * 10**9

    def with_(pid: int, begun: int) -> bool:
        changed = bytearray(content)
        struct.pack_into("=Q", changed, 40, pid)
        struct.pack_into("=Q", changed, wall, begun)
        defs.write_bytes(changed)
        return _engine.is_written(str(data))

    assert with_(os.getpid(), then)
    assert not with_(GONE, then)
    for before in (3600, 1):  # a restart
        assert not with_(os.getpid(), born_ns() - before * 10**9)  # another had that pid
    with subprocess.Popen(["true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert not with_(zombie.pid, time.time_ns())


def run(path: Path, pid: int = 0, *, foreign: bool = False, rotated: bool = False) -> None:
    """A directory, of a process that is gone unless one is named."""
    _engine.create_run(str(path), pid or GONE, foreign=foreign, rotated=rotated)


GONE = 2**22 - 1  # no process here has that pid


def test_taken_along(tmp_path: Path):
    """With nothing but ``run``; and with what a killed process left of a ring it was deleting."""
    home = tmp_path / "data"
    folder.take_along(_engine, str(home))  # another process has been quicker
    for pid in (GONE, os.getpid()):
        run(home, pid)
        (home / "ring.7").mkdir()
        folder.take_along(_engine, str(home))
        assert names(tmp_path) == []
    run(home)
    run(home / "ring.7")
    folder.take_along(_engine, str(home))
    assert names(home) == ["ring.7", "run"]


def test_what_the_first_process_made_is_its_own_to_take_along(tmp_path: Path):
    """But where that is no Python of ours, which never does."""
    run(tmp_path / "data", os.getppid())
    folder.take_along(_engine, str(tmp_path / "data"))
    assert names(tmp_path) == ["data"]
    run(tmp_path / "shell", os.getppid(), foreign=True, rotated=True)
    run(tmp_path / "shell.old")
    folder.take_along(_engine, str(tmp_path / "shell"))
    assert names(tmp_path) == ["data", "shell.old"]  # it may start another Python


def test_only_who_made_way_gets_the_name_back(tmp_path: Path):
    for rotated, left in ((False, "data.old"), (True, "data")):
        run(tmp_path / "data", rotated=rotated)
        if not rotated:
            run(tmp_path / "data.old")
        folder.take_along(_engine, str(tmp_path / "data"))
        assert names(tmp_path) == [left]
    run(tmp_path / "data.new", rotated=True)
    (tmp_path / "data.new.old").mkdir()  # no recording
    folder.take_along(_engine, str(tmp_path / "data.new"))
    assert names(tmp_path) == ["data", "data.new.old"]


def test_a_block_gives_the_name_back_too(tmp_path: Path, nothing_left_on: None):
    run(tmp_path / "data")
    before = _engine.read_run(str(tmp_path / "data"))[0]
    with api.record(tmp_path / "data", dump_on="exception"):
        assert names(tmp_path) == ["data", "data.old"]
    assert names(tmp_path) == ["data"]
    assert _engine.read_run(str(tmp_path / "data"))[0] == before


@pytest.mark.parametrize("dump_on", ["", "--dump-on exception"])
def test_what_a_child_still_records_is_stepped_around(pyftrace: Run, tmp_path: Path, dump_on: str):
    """Its parent, the first process, has ended."""
    (tmp_path / "child.py").write_text(
        APP + "open('began', 'w')\nwhile open('go').read() != 'go': time.sleep(0.01)\nfail(1)\n"
    )
    (tmp_path / "go").touch()
    app(
        tmp_path,
        "import os, subprocess, warnings\nwarnings.simplefilter('ignore')\n"
        "subprocess.Popen([sys.executable, 'child.py'], stdout=-3, stderr=open('err', 'w'))\n"
        "while not os.path.exists('began'): time.sleep(0.01)\n",
    )
    pyftrace("record", "-q", *dump_on.split(), "app.py")
    (tmp_path / "next.py").write_text(APP + "serve(1)\n")
    done = pyftrace("record", "next.py")
    assert "is being written by another run; this one goes to " in done.stderr
    (tmp_path / "go").write_text("go")
    until(lambda: not _engine.is_written(str(tmp_path / "pyftrace.data")))
    until(lambda: "ValueError" in (tmp_path / "err").read_text())
    assert "pyftrace" not in (tmp_path / "err").read_text()
    data = tmp_path / "pyftrace.data"
    if dump_on:
        until(lambda: names(data) == ["dump-1", "run"])
        data /= "dump-1"
    assert calls(data)["fail"] == 1
    assert pyftrace("record", "next.py").stderr.count("is being written") == 0


def test_a_forked_child_whose_parent_has_ended(pyftrace: Run, tmp_path: Path):
    """As a daemon does: the directory may be gone when its ring is made, and is made again; beside
    an older recording that has its name back."""
    app(
        tmp_path,
        "import os\nquery(1)\nif os.fork(): os._exit(0)\n"
        "while not os.path.exists('go'): time.sleep(0.01)\nfail(1)\n",
    )
    (tmp_path / "go").touch()
    for n in range(20):  # sometimes before, sometimes after
        pyftrace("record", "-q", "-o", f"{n}.data", "--dump-on", "exception", "app.py")
    for n in range(20):
        until((tmp_path / f"{n}.data" / "dump-1" / "run").exists)


def test_a_ring_made_again(tmp_path: Path):
    """What a forked child does when it comes too late, once for each way of being late."""
    words = [sys.executable, "-c", LATE]
    for late, where in (("no", "data"), ("gone", "data"), ("another's", "data.5a5a5a5a")):
        (tmp_path / late).mkdir()
        done = subprocess.run(
            [*words, late], cwd=tmp_path / late, env=clean_environment(), timeout=60
        )
        assert done.returncode == 0
        assert names(tmp_path / late / where) == ["dump-1", "run"]
        assert _engine.read_run(str(tmp_path / late / where))[0] == "5a" * 16
        assert calls(tmp_path / late / where)["fail"] == 1


LATE = """\
import os, shutil, sys
from pyftrace import _boot, _engine, flight
def fail(): raise ValueError
def late():
    if sys.argv[1] != "no": shutil.rmtree("data")
    if sys.argv[1] == "another's": _engine.create_run("data", 1)
def end():
    ring = tap.flight[0]
    tap.close()
    flight.remove_ring(ring)
_engine.set_paths(_boot.library_folders(), _boot.own_folders())
_engine.create_run("data", os.getpid(), run_id=b"Z" * 16)
tap = _engine.Tap(
    "record", folder="data", dump_on=(("exception", "", 0),), max_dumps=9, include=("*",)
)
tap.attach()
os.register_at_fork(before=late)
pid = os.fork()
if pid == 0:
    try: fail()
    except ValueError: pass
    tap.dump("asked for")
    end()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
end()
"""
