"""The directory of a flight recorder: its processes make it, join it and take it along, at once."""

import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run, until
from flights import APP, app, calls, functions, names

from pyftrace import _engine, flight, folder
from pyftrace.options import Options


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


class Meanwhile:
    """The engine, and what another process does between two looks of ours."""

    def __init__(self, does: Callable[[], object]) -> None:
        self.does = does

    def __getattr__(self, name: str) -> object:
        return getattr(_engine, name)

    def read_run(self, path: str) -> object:
        try:
            return _engine.read_run(path)
        except FileNotFoundError:
            self.does()
            raise


def whole_again(home: Path) -> None:
    if not (home / "run").exists():
        _engine.create_run(str(home) + ".new", os.getpid(), run_id=b"r" * 16)
        os.rename(home.with_name("data.new") / "run", home / "run")
        home.with_name("data.new").rmdir()


@pytest.mark.parametrize("inside", ["", "run.new", "ring.7", "dump-1"])
def test_joining_waits_for_who_makes_the_directory(tmp_path: Path, inside: str):
    home = tmp_path / "data"
    home.mkdir()
    if inside:
        (home / inside).mkdir()
    engine = Meanwhile(lambda: whole_again(home))
    assert folder.join(engine, str(home), os.getpid(), 0, ()) == (str(home), "72" * 16)


def test_joining_makes_what_was_taken_along(tmp_path: Path):
    home = tmp_path / "data"
    home.mkdir()
    engine = Meanwhile(lambda: shutil.rmtree(home, ignore_errors=True))
    given = "5a" * 16
    assert folder.join(engine, str(home), os.getpid(), 0, (), given) == (str(home), given)


def test_what_is_no_recording_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("waits"))
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    for name in ("file", "other"):
        with pytest.raises(folder.FolderError, match="is no recording of ours"):
            folder.join(_engine, str(tmp_path / name), os.getpid(), 0, ())
    with pytest.raises(folder.FolderError, match="'xyz' is no id of a recording"):
        folder.join(_engine, str(tmp_path / "new"), os.getpid(), 0, (), "xyz")
    with pytest.raises(ValueError, match="16 bytes"):
        _engine.create_run(str(tmp_path / "new"), 1, run_id=b"short")
    assert names(tmp_path) == ["file", "other"]


def test_a_ring_waits_for_its_directory(tmp_path: Path, nothing_left_on: None):
    """Which is there, and its ``run`` not yet, for longer than it takes to look a hundred times."""
    home = tmp_path / "data"
    home.mkdir()
    threading.Timer(0.2, whole_again, [home]).start()
    wanted = Options(record=True, dump_on=("exception",), run_id="72" * 16)
    found, tap = flight.open_tap(_engine, str(home), wanted)
    tap.close()
    assert found.quiet and folder.rings(str(home), os.getpid()) == [f"ring.{os.getpid()}"]


def test_a_ring_made_while_its_directory_is_taken_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The directory stays with a ring in it, and goes when that has gone meanwhile."""
    home = tmp_path / "data"
    _engine.create_run(str(home), os.getpid())
    before = (home / "run").read_bytes()
    rmdir = os.rmdir

    def too_late(path: str) -> None:
        (home / "ring.7").mkdir()
        if goes:
            monkeypatch.setattr(os, "rmdir", rmdir)
        try:
            rmdir(path)
        finally:
            if goes:
                rmdir(home / "ring.7")

    monkeypatch.setattr(os, "rmdir", too_late)
    goes = False
    folder.delete_empty(str(home))
    assert names(home) == ["ring.7", "run"] and (home / "run").read_bytes() == before
    rmdir(home / "ring.7")
    goes = True
    folder.delete_empty(str(home))
    assert names(tmp_path) == []
    folder.delete_empty(str(home))  # another process has been quicker


def test_a_name_taken_meanwhile_is_not_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By a process that makes the directory again, and has not got to its ``run`` yet."""
    home, old = tmp_path / "data", tmp_path / "data.old"
    _engine.create_run(str(old), os.getpid())
    home.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os.path, "lexists", lambda path: path == str(old))
        folder.name_back(_engine, str(home))
    assert (names(home), names(old)) == ([], ["run"])
    home.rmdir()
    folder.name_back(_engine, str(home))
    assert (names(tmp_path), names(home)) == (["data"], ["run"])
