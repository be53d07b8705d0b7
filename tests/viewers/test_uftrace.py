"""uftrace itself is asked what is known of a recording."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import hostile
import pytest
from clients import run

import pyftrace
from pyftrace.recording import Recording

PROGRAM = """\
import sys, threading
def leaf(): pass
def gen(n):
    for i in range(n): yield i
def fail(what): raise ValueError(what)
def mid(n):
    for i in gen(n): leaf()
    try: fail("bad")
    except ValueError: len("four")
def down(n):
    if n: down(n - 1)
def main():
    mid(2)
    thread = threading.Thread(target=mid, args=(1,)); thread.start(); thread.join()
    sys.setrecursionlimit(10000)
    down(3000)
main()
"""
CALLS = {"main": 1, "mid": 2, "leaf": 3, "gen": 5, "fail": 2, "len": 2}  # and down


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds pyftrace.data and out."""
    folder = tmp_path_factory.mktemp("uftrace")
    (folder / "app.py").write_text(PROGRAM)
    words = ["record", "-q", "-v", "--no-libs", "-a", "--values", "safe", "app.py"]
    run(folder, sys.executable, "-m", "pyftrace", *words)
    run(folder, sys.executable, "-m", "pyftrace", "dump", "--format", "uftrace", "-o", "out")
    return folder


@pytest.fixture
def recording(folder: Path) -> Recording:
    return pyftrace.open(folder / "pyftrace.data")


def uftrace(folder: Path, *words: str) -> str:
    verb, *rest = words
    return run(folder, "uftrace", verb, "-d", "out", "--no-pager", "--color=no", *rest)


def main_tid(recording: Recording) -> int:
    return next(t["tid"] for t in recording.threads if t["name"] == "MainThread")


def test_report_has_calls_and_times(folder: Path, recording: Recording):
    """In ns; recursion of more levels than it shows by default included."""
    text = uftrace(folder, "report", "-D", "65534", "-f", "total,self,call")
    rows = re.findall(r"^ *([\d.]+) +(\w+) +([\d.]+) +(\w+) +(\d+) +(\S+)$", text, re.M)
    units = {"us": 10**3, "ms": 10**6, "s": 10**9}
    told = {
        name: (int(calls), float(total) * units[unit], float(own) * units[own_unit])
        for total, unit, own, own_unit, calls, name in rows
    }
    ours = {f"{row.module}.{row.function}": row for row in recording.report().rows}
    assert told.keys() == ours.keys()
    for name, (calls, total, own) in told.items():
        row = ours[name]
        assert calls == row.calls + row.resumes
        assert total == pytest.approx(row.total_ns, abs=1000 if total > 10**6 else 0.1)
        assert own == pytest.approx(row.self_ns, abs=1000 if own > 10**6 else 0.1)


TREE = """\
__main__.main() { /* app.py:12 */
  __main__.mid("n=2") { /* app.py:6 */
    __main__.gen("n=2") { /* app.py:3 */
      builtins.range();
    } = "yielded 0"; /* __main__.gen */
    __main__.leaf() = "None"; /* app.py:2 */
    __main__.gen() = "yielded 1"; /* app.py:3 */
    __main__.leaf() = "None"; /* app.py:2 */
    __main__.gen() = "None"; /* app.py:3 */
    __main__.fail("what='bad'") { /* app.py:5 */
      builtins.ValueError();
    } = "raised ValueError: bad"; /* __main__.fail */
    builtins.len();
  } = "None"; /* __main__.mid */
  threading.Thread();
  sys.setrecursionlimit();
} = "None"; /* __main__.main */
"""


def test_replay_is_the_tree(folder: Path, recording: Recording):
    words = ["-f", "none", "--srcline", f"--tid={main_tid(recording)}", "-N", "__main__.down"]
    assert uftrace(folder, "replay", *words).replace(f"{folder}/", "") == TREE


def test_replay_without_c_functions(folder: Path):
    assert "builtins.len" in uftrace(folder, "replay")
    assert "builtins.len" not in uftrace(folder, "replay", "--no-libcall")


def test_graph_knows_who_calls(folder: Path):
    text = uftrace(folder, "graph", "__main__.leaf")
    traces = re.findall(r"hit (\d+),.*\n((?:   \[\d\] .*\n)+)", text)
    found = {tuple(re.findall(r"\] __main__.(\w+)", names)): int(hits) for hits, names in traces}
    assert found == {("main", "mid", "leaf"): 2, ("mid", "leaf"): 1}
    assert "(3) __main__.leaf" in text


def test_chrome_json_has_every_call(folder: Path, recording: Recording):
    events = json.loads(uftrace(folder, "dump", "--chrome"))["traceEvents"]
    begun = [e["name"] for e in events if e["ph"] == "B"]
    for name, calls in CALLS.items():
        module = "builtins" if name == "len" else "__main__"
        assert begun.count(f"{module}.{name}") == calls
    names = {(e["pid"], e["args"]["name"]) for e in events if e["ph"] == "M"}
    assert names == {(t["tid"], f"[{t['tid']}] {t['name'][:15]}") for t in recording.threads}


def test_hostile_names_and_values_do_it_no_harm(tmp_path: Path):
    """What it prints is harmless; and it does not crash over what is long."""
    names = ascii([*hostile.NAMES, *'\\"\xe9', "m" * 500]) + " + ['l\\xf6ng' * 100_000]"
    hostile.write(tmp_path, names)
    words = ["record", "-q", "-a", "--values", "safe", "app.py"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PY")}
    done = subprocess.run([sys.executable, "-m", "pyftrace", *words], cwd=tmp_path, env=environment)
    assert done.returncode == 3
    run(tmp_path, sys.executable, "-m", "pyftrace", "dump", "--format", "uftrace", "-o", "out")
    for verb, *more in VERBS:
        text = uftrace(tmp_path, verb, *more)
        assert text and not hostile.HOSTILE.search(text.replace("\n", "")), (verb, more)
    events = json.loads(uftrace(tmp_path, "dump", "--chrome"))["traceEvents"]
    begun = sum(e["ph"] == "B" for e in events)
    recorded = pyftrace.open(tmp_path / "pyftrace.data").events()
    assert begun == sum(e.event in ("start", "resume", "throw") for e in recorded)


VERBS = [
    ["replay", "--srcline", "-f", "tid,task,module"],
    ["report", "--srcline"], ["report", "--task"], ["graph"], ["info"],
    ["dump"], ["dump", "--chrome"], ["dump", "--flame-graph"], ["dump", "--graphviz"],
]  # fmt: skip


@pytest.fixture
def terminal(folder: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """uftrace tui in a terminal of 100 by 30."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(
        ["uftrace", "tui", "-d", "out"],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm"},
        start_new_session=True,
    )
    os.close(theirs)
    yield ours, process
    process.kill()
    process.wait()
    os.close(ours)


def read_until(fd: int, *texts: bytes) -> None:
    """What the terminal shows until it has shown these; fails after half a minute."""
    shown, deadline = b"", time.monotonic() + 30
    while not all(text in shown for text in texts):
        left = deadline - time.monotonic()
        assert left > 0 and select.select([fd], [], [], left)[0], shown
        shown += os.read(fd, 1 << 16)


def test_tui_shows_the_graph_and_the_report(terminal: tuple[int, "subprocess.Popen[bytes]"]):
    fd, process = terminal
    read_until(fd, b"__main__.main", b"__main__.mid", b"threading.Thread")
    os.write(fd, b"R")
    read_until(fd, b"SELF TIME", b"builtins.len")
    os.write(fd, b"q")
    assert process.wait(30) == 0
