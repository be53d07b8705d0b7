"""uftrace's directory, read by a small reader of its own and compared with the recording."""

import itertools
import os
import re
import resource
import signal
import stat
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

import hostile
import pytest
from conftest import clean_environment

import pyftrace as api
from pyftrace.recording import Event, Recording

Run = Callable[..., "CompletedProcess[str]"]
ENTRY, EXIT, LOST = range(3)
LEVELS = 65534  # that uftrace can be told to show
MOST_TASKS = 1000
MARK = "written-by-pyftrace"
KNOWN, UNKNOWN = 256, 1023  # open calls that a recording names; of the others, that are told


# ---- the reader ----------------------------------------------------------------------------------


class Record(NamedTuple):
    """``depth`` is counted, as uftrace does; ``field`` is what the record says."""

    t: int
    kind: int
    depth: int
    field: int
    address: int
    text: str | None


class Directory:
    """What uftrace is told, by task."""

    def __init__(self, path: Path) -> None:
        self.path = path
        head, _, text = (path / "info").read_bytes().partition(b"exename:")
        magic, version, size, endian, wide, features, facts, deepest, *rest = struct.unpack(
            "=8sIHBBQQH6B", head
        )
        assert (magic, version, size, wide) == (b"Ftrace!\0", 4, 40, 2)
        assert endian == (1 if sys.byteorder == "little" else 2)
        assert (features, facts, set(rest)) == (0x57A, 0x3489, {0})
        self.deepest = deepest
        self.info = text.decode()
        self.tids = [int(tid) for tid in self._fact("taskinfo:tids").split(",") if tid]
        assert int(self._fact("taskinfo:nr_tid")) == len(self.tids) == len(set(self.tids))
        self.pids = self._read_tasks()
        self.names = self._read_symbols("python", "T") | self._read_symbols("C", "P")
        self.lines = self._read_lines()
        self.records = {tid: self._read_records(tid) for tid in self.tids}
        self.labels = self._read_labels()

    def _fact(self, key: str) -> str:
        found = re.search(rf"^{key}=(.*)$", self.info, re.M)
        assert found
        return found[1]

    def _read_tasks(self) -> dict[int, int]:
        """The process of each task; each process has a session."""
        text = (self.path / "task.txt").read_text()
        sessions = re.findall(
            r'^SESS timestamp=0.000000000 pid=(\d+) sid=(\d{16}) exename="/python"$', text, re.M
        )
        tasks = re.findall(r"^TASK timestamp=0.000000000 tid=(\d+) pid=(\d+)$", text, re.M)
        assert len(sessions) + len(tasks) == text.count("\n")
        assert {sid for _, sid in sessions} == {
            path.stem[4:] for path in self.path.glob("sid-*.map")
        }
        pids = {int(tid): int(pid) for tid, pid in tasks}
        assert list(pids) == self.tids and set(pids.values()) <= {int(pid) for pid, _ in sessions}
        return pids

    def _read_symbols(self, module: str, kind: str) -> dict[int, str]:
        for path in self.path.glob("sid-*.map"):
            found = re.search(rf"^(\w+)-(\w+) r-xp .* /{module}$", path.read_text(), re.M)
            assert found
        start, end = (int(word, 16) for word in found.groups())
        first, *rows = (self.path / f"{module}.sym").read_text().removesuffix("\n").split("\n")
        assert first == f"# path name: /{module}" and rows[-1].endswith(" ? __sym_end")
        names = {}
        for row in rows[:-1]:
            offset, letter, name = row.split(" ", 2)
            assert letter == kind and start + int(offset, 16) < end and name
            names[start + int(offset, 16)] = name
        assert len(set(names.values())) == len(names) == len(rows) - 1
        return names

    def _read_lines(self) -> dict[str, tuple[str, int]]:
        rows = (self.path / "python.dbg").read_text().removesuffix("\n").split("\n")[1:]
        lines = {}
        for function, place in zip(rows[::2], rows[1::2], strict=True):
            _, address, name = function.split(" ", 2)
            assert self.names[0x100000000 + int(address, 16)] == name
            line, file = place.removeprefix("L: ").split(" ", 1)
            lines[name] = (file, int(line))
        return lines

    def _read_records(self, tid: int) -> list[Record]:
        data = (self.path / f"{tid}.dat").read_bytes()
        records: list[Record] = []
        at = depth = 0
        while at < len(data):
            time, bits = struct.unpack_from("=QQ", data, at)
            at += 16
            kind, more, field, address = bits & 3, bits >> 2 & 1, bits >> 6 & 1023, bits >> 16
            assert bits >> 3 & 7 == 5 and (not records or records[-1].t <= time)
            text = None
            if more:
                (n,) = struct.unpack_from("=H", data, at)
                text = data[at + 2 : at + 2 + n].decode()
                at += (2 + n + 7) & ~7
            depth -= kind == EXIT
            assert field == min(depth, 1023) and depth >= 0
            assert kind == LOST or address in self.names
            records.append(Record(time, kind, depth, field, address, text))
            depth += kind == ENTRY
        return records

    def _read_labels(self) -> list[tuple[int, str]]:
        """What tasks are called from when on: just before a thread's first call."""
        labels = []
        last = 0
        for type, misc, size, *ids, text, pid, tid, time in struct.iter_unpack(
            "=IHHII16sIIQ", (self.path / "perf-cpu0.dat").read_bytes()
        ):
            assert (type, misc, size) == (3, 0, 48) and {*ids, pid} == {tid}
            assert last <= time and time + 1 in {r.t for r in self.records[tid]}
            assert text.endswith(b"\0") and b'"' not in text and b"\\" not in text
            labels.append((tid, text.rstrip(b"\0").decode()))
            last = time
        return labels

    def calls(self) -> Counter[str]:
        return Counter(
            self.names[r.address] for rs in self.records.values() for r in rs if r.kind == ENTRY
        )


def label(event: Event) -> str:
    return f"{hostile.shown(event.module or '') or '?'}.{hostile.shown(event.function or '')}"


def text_of(event: Event) -> str | None:
    """What is said of a call beside its times, cut at 190 bytes."""
    text = {
        "start": event.args or None,
        "yield": event.value and f"yielded {event.value}",
        "unwind": event.exception and f"raised {event.exception}",
        "return": event.value,
    }.get(event.event)
    return text and text.encode()[:190].decode(errors="ignore")


Told = tuple[int, int, int, str | int, str | None]


def expected(events: list[Event]) -> list[Told]:
    """The records of a thread: the events; calls that are open where it begins, or behind a gap,
    enter there, and those before a gap leave. Names of open calls are unknown here: ''. A
    recording knows the innermost 256 by name; outside them 1023 are told, and the rest left out."""
    told: list[Told] = []
    stack: list[str] = []
    below = 0
    for e in events:
        if e.event == "lost":
            while stack:
                told.append((e.t, EXIT, len(stack) - 1, stack.pop(), None))
            told.append((e.t, LOST, 0, e.lost, None))
            below = 0
            continue
        entering = e.event in ("start", "resume", "throw", "c_call")
        opened = e.depth + (not entering)
        below = below if stack else min(opened, max(below, opened - KNOWN - UNKNOWN, 0))
        while below + len(stack) < opened:
            told.append((-1, ENTRY, len(stack), "", None))
            stack.append("")
        if entering:
            told.append((e.t, ENTRY, len(stack), label(e), text_of(e)))
            stack.append(label(e))
        elif stack:
            stack.pop()
            told.append((e.t, EXIT, len(stack), label(e), text_of(e)))
    return told


def compare(directory: Directory, recording: Recording, **part: int) -> None:
    """Record by record, thread by thread."""
    threads = []
    for thread in recording.threads:
        events = list(recording.events(thread=thread["serial"], **part))
        if events:
            threads.append((thread, expected(events)))
    assert len(threads) == len(directory.tids)
    for tid, (thread, told) in zip(directory.tids, threads, strict=True):
        assert (tid, directory.pids[tid]) == (thread["tid"], thread["pid"])
        name = thread["name"].encode()[:15].decode(errors="ignore")
        assert (tid, name.replace('"', "'").replace("\\", "/")) in directory.labels
        records = directory.records[tid]
        assert len(records) == len(told)
        for r, (t, kind, depth, name, text) in zip(records, told, strict=True):
            got = r.address if r.kind == LOST else directory.names[r.address]
            assert (r.kind, r.depth, r.text) == (kind, depth, text)
            assert t in (-1, r.t), (t, r)
            if isinstance(got, str) and got != name:  # a class is run, and called: C and C#2
                got = re.sub(r"[:#]\d+$", "", got)
            assert name in ("", got), r


@pytest.fixture
def exported(pyftrace: Run, tmp_path: Path) -> Callable[..., tuple[Directory, Recording]]:
    """exported(program, *options of record, dump=()) -> (what came out, what was recorded)."""

    def export(
        program: str, *options: str, dump: tuple[str, ...] = (), status: int = 0
    ) -> tuple[Directory, Recording]:
        (tmp_path / "app.py").write_text(program)
        assert pyftrace("record", "-q", *options, "app.py").returncode == status
        done = pyftrace("dump", "--format", "uftrace", "-o", "out", *dump)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        return Directory(tmp_path / "out"), api.open(tmp_path / "pyftrace.data")

    return export


# ---- the same calls ------------------------------------------------------------------------------

PROGRAM = """\
import asyncio, threading
def inner(x): return x * 2
def gen(n):
    for i in range(n): yield inner(i)
def fail(what): raise ValueError(what)
def outer(n):
    for i in gen(n): inner(i)
    try: fail("bad")
    except ValueError: pass
    closed = gen(3); next(closed); closed.close()
async def step(i):
    await asyncio.sleep(0)
    return i
async def main(): return await asyncio.gather(*map(step, range(3)))
class C:
    def m(self, *args, **kwargs): return len("four")
threads = [threading.Thread(target=outer, args=(n,)) for n in range(4)]
for t in threads: t.start()
outer(2)
C().m("\\u00e9" * 200, x="y" * 300)
asyncio.run(main())
for t in threads: t.join()
"""


@pytest.mark.parametrize(
    "options", [(), ("-v",), ("-vv",), ("-a", "--values", "safe")], ids=lambda o: "".join(o)
)
def test_calls_times_and_depths_are_those_of_the_recording(options: tuple[str, ...], exported):
    directory, recording = exported(PROGRAM, *options)
    compare(directory, recording)
    assert len(directory.tids) == 5
    assert directory.calls()["__main__.gen"] == sum(
        e.event in ("start", "resume", "throw") for e in recording.events() if e.function == "gen"
    )


def test_arguments_values_and_exceptions_are_texts(exported):
    directory, _ = exported(PROGRAM, "-a", "--values", "safe")
    texts = {
        (directory.names[r.address], r.kind, r.text)
        for records in directory.records.values()
        for r in records
    }
    assert {
        ("__main__.inner", ENTRY, "x=1"),
        ("__main__.inner", EXIT, "2"),
        ("__main__.gen", EXIT, "yielded 2"),
        ("__main__.fail", ENTRY, "what='bad'"),
        ("__main__.fail", EXIT, "raised ValueError: bad"),
        ("__main__.main", ENTRY, None),
    } <= texts
    assert max(len(text.encode()) for _, _, text in texts if text) in (189, 190)


def test_functions_have_their_lines(exported, tmp_path: Path):
    directory, _ = exported("\n\ndef f(): pass\nclass C:\n    def m(self): pass\nf()\nC().m()\n")
    app = str(tmp_path / "app.py")
    assert directory.lines == {
        "__main__.f": (app, 3),
        "__main__.C": (app, 4),
        "__main__.C.m": (app, 5),
    }


def test_functions_of_one_name_stay_apart(exported):
    directory, _ = exported(
        "def f(): pass\nf()\ndef f(): pass\nf(); f()\n"
        "a, b, c = lambda: 1, lambda: 2, lambda: 3\nfor g in a, b, c, c, c: g()\n"
    )
    lambdas = {"__main__.<lambda>": 1, "__main__.<lambda>:5": 1, "__main__.<lambda>#3": 3}
    assert directory.calls() == {"__main__.f": 1, "__main__.f:3": 2} | lambdas


def test_forked_processes_are_kept_apart_and_know_the_same_functions(exported):
    directory, recording = exported(
        "import os\ndef work(): pass\n"
        "def main():\n"
        "    work()\n"
        "    child = os.fork()\n"
        "    work(); work()\n"
        "    if not child: os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "main()\n"
    )
    compare(directory, recording)
    parent, child = directory.tids
    assert directory.pids == {parent: parent, child: child} and parent != child
    assert len(list(directory.path.glob("sid-*.map"))) == 2
    assert sorted(directory.names.values()) == ["__main__.main", "__main__.work"]
    assert [directory.names[r.address] for r in directory.records[child]] == [
        "__main__.main", *["__main__.work"] * 4
    ]  # fmt: skip


# ---- what is not whole ---------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [3, 400, 3000])
def test_a_ring_begins_with_what_was_lost_and_the_calls_that_are_open(depth: int, exported):
    """Of the outermost ones only the number is known."""
    directory, recording = exported(
        "import sys\nsys.setrecursionlimit(10000)\n"
        "def leaf(): pass\n"
        "def down(n):\n"
        "    if n: return down(n - 1)\n"
        "    for _ in range(300000): leaf()\n"
        f"down({depth})\n",
        "--ring", "256k",
    )  # fmt: skip
    [tid] = directory.tids
    records = directory.records[tid]
    lost, event, *_ = itertools.islice(recording.events(), 2)
    assert (records[0].kind, records[0].address) == (LOST, lost.lost)
    compare(directory, recording)
    opened = event.depth + (event.event != "start")
    unknown = min(max(0, opened - KNOWN), UNKNOWN)
    names = [directory.names[r.address] for r in records[1:][: unknown + min(opened, KNOWN)]]
    assert opened > depth and names[:unknown] == ["?.(unknown)"] * unknown
    assert set(names[unknown:]) in ({"__main__.down"}, {"__main__.down", "__main__.leaf"})


def test_a_part_begins_with_the_calls_that_are_open(pyftrace: Run, exported, tmp_path: Path):
    _, recording = exported(
        "import time\ndef leaf(): pass\n"
        "def mid():\n    for _ in range(1000): leaf()\n"
        "def main():\n    mid(); mid()\n"
        "main()\n"
    )
    times = [e.t for e in recording.events() if e.function == "leaf"]
    since, until = times[500], times[3000]
    words = ["-o", "part", "--since", f"{since}ns", "--until", f"{until}ns"]
    assert pyftrace("dump", "--format", "uftrace", *words).returncode == 0
    part = Directory(tmp_path / "part")
    compare(part, recording, since=since, until=until)
    [records] = part.records.values()
    assert [part.names[r.address] for r in records[:2]] == ["__main__.main", "__main__.mid"]


def test_of_a_killed_program_the_open_calls_stay_open(exported):
    directory, recording = exported(
        "import os, signal\ndef leaf(): pass\n"
        "def main():\n    leaf()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "main()\n",
        status=-signal.SIGKILL,
    )
    compare(directory, recording)
    [records] = directory.records.values()
    assert [r.kind for r in records] == [ENTRY, ENTRY, EXIT]


def test_deeper_calls_than_uftrace_can_show_are_counted_and_left_out(pyftrace: Run, tmp_path: Path):
    depth = LEVELS + 1234
    (tmp_path / "app.py").write_text(
        "import sys\nsys.setrecursionlimit(200000)\n"
        "def down(n):\n    if n: down(n - 1)\n"
        "def last(): pass\n"
        f"down({depth - 1}); last()\n"
    )
    assert pyftrace("record", "-q", "app.py").returncode == 0
    done = pyftrace("dump", "--format", "uftrace", "-o", "out")
    assert done.returncode == 0
    assert done.stderr == "pyftrace: calls deeper than uftrace knows are left out: 1234\n"
    directory = Directory(tmp_path / "out")
    assert directory.deepest == LEVELS
    assert directory.calls() == {"__main__.down": LEVELS, "__main__.last": 1}
    events = api.open(tmp_path / "pyftrace.data").events()
    [records] = directory.records.values()
    assert [(r.t, r.depth) for r in records] == [(e.t, e.depth) for e in events if e.depth < LEVELS]


def test_hostile_names_are_harmless_and_apart(pyftrace: Run, tmp_path: Path):
    hostile.write(tmp_path)
    assert pyftrace("record", "-q", "-a", "--values", "safe", "app.py").returncode == 3
    assert pyftrace("dump", "--format", "uftrace", "-o", "out").returncode == 0
    directory = Directory(tmp_path / "out")
    for path in directory.path.iterdir():
        if path.suffix != ".dat":
            text = path.read_bytes()[40 if path.name == "info" else 0 :].decode()
            assert not hostile.HOSTILE.search(text.replace("\n", "")), path
    compare(directory, api.open(tmp_path / "pyftrace.data"))
    calls: Counter[str] = Counter()
    for (function, module, _), n in hostile.calls(tmp_path).items():
        calls[f"{hostile.shown(module) or '?'}.{hostile.shown(function)}"] += n
    entries = Counter(name for name in directory.calls().elements() if name != "__main__.main")
    del calls["__main__.main"]  # it waits
    assert entries == calls


def test_names_are_cut_stay_apart_and_are_not_taken_for_mangled(exported):
    directory, _ = exported(
        "def f(): pass\n"
        "def call(name, module):\n"
        "    code = f.__code__.replace(co_name=name, co_qualname=name)\n"
        "    type(f)(code, {'__name__': module})()\n"
        "for name in 'a' * 1000 + 'b', 'a' * 1000 + 'c', '\\u00e9' * 1000: call(name, 'm')\n"
        "call('x' * 1_000_000, 'y' * 1_000_000)\n"
        "call('_Z1fv', '_Z1m'); call('execv', ''); call('a\\nb', 'm'); call('a\\\\nb', 'm')\n",
        "--include", "*",
    )  # fmt: skip
    assert set(directory.calls()) >= {
        "m." + "a" * 318 + "...", "m." + "a" * 318 + "...:1", "m." + "\u00e9" * 159 + "...",
        "y" * 320 + "...", r"\x5fZ1m._Z1fv", "?.execv", r"m.a\nb", r"m.a\nb:1",
    }  # fmt: skip


def dump_within(limit: int, most: int, folder: Path) -> "CompletedProcess[str]":
    """Into `out`, where the system allows no more than that."""
    return subprocess.run(
        [sys.executable, "-m", "pyftrace", "dump", "--format", "uftrace", "-o", "out"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(limit, (most, most)),
    )


# ---- many threads --------------------------------------------------------------------------------

THREADS = """\
import threading
def work(): pass
def hold(): ready.set(); go.wait()
ready, go = threading.Event(), threading.Event()
held = threading.Thread(target=hold); held.start(); ready.wait()
for _ in range({n}):
    t = threading.Thread(target=work); t.start(); t.join()
go.set(); held.join()
"""


def test_threads_that_follow_one_another_are_one_task_when_there_are_too_many(
    pyftrace: Run, tmp_path: Path
):
    """No more files are open than one, in ours; uftrace opens those of all tasks."""
    n = MOST_TASKS + 500
    (tmp_path / "app.py").write_text(THREADS.format(n=n))
    assert pyftrace("record", "-q", "app.py").returncode == 0
    done = dump_within(resource.RLIMIT_NOFILE, 64, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    directory = Directory(tmp_path / "out")
    assert len(directory.tids) == MOST_TASKS and len(directory.labels) == n + 1
    assert directory.calls() == {"__main__.work": n, "__main__.hold": 1}
    sizes = Counter(len(records) for records in directory.records.values())
    assert sizes[2] >= 998 and sum(k * v for k, v in sizes.items()) == 2 * (n + 1)
    events = {(e.t, e.event) for e in api.open(tmp_path / "pyftrace.data").events() if e.thread > 2}
    told = {(r.t, r.kind) for rs in directory.records.values() for r in rs}
    assert {(t, ENTRY if event == "start" else EXIT) for t, event in events} <= told


# ---- the directory -------------------------------------------------------------------------------


@pytest.fixture
def recorded(pyftrace: Run, tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("def f(): pass\nf()\n")
    assert pyftrace("record", "-q", "app.py").returncode == 0
    return tmp_path


def dump(pyftrace: Run, out: str = "out") -> "CompletedProcess[str]":
    return pyftrace("dump", "--format", "uftrace", "-o", out)


def test_the_files_are_private(recorded: Path, pyftrace: Run):
    assert dump(pyftrace).returncode == 0
    out = recorded / "out"
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}


def test_an_empty_directory_and_one_of_ours_are_written_to(recorded: Path, pyftrace: Run):
    out = recorded / "out"
    out.mkdir()
    assert dump(pyftrace).returncode == 0
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "77.dat").write_bytes(b"of an earlier one")
    assert dump(pyftrace).returncode == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first


@pytest.mark.parametrize("names", ["notes.txt", f"notes.txt {MARK}", "info", "1.dat", "folder/"])
def test_what_is_not_ours_is_refused_and_left_alone(names: str, recorded: Path, pyftrace: Run):
    out = recorded / "out"
    out.mkdir()
    for name in names.split():
        (out / name).mkdir() if name.endswith("/") else (out / name).write_text("mine")
    before = sorted(os.listdir(out))
    done = dump(pyftrace)
    assert done.returncode == 2
    assert done.stderr == "pyftrace: cannot write out: Directory not empty\n"
    assert sorted(os.listdir(out)) == before


def test_a_file_is_refused(recorded: Path, pyftrace: Run):
    (recorded / "out").write_text("mine")
    done = dump(pyftrace)
    assert (done.returncode, done.stderr) == (2, "pyftrace: cannot write out: Not a directory\n")
    assert (recorded / "out").read_text() == "mine"


def test_a_link_in_the_directory_leads_nowhere(recorded: Path, pyftrace: Run):
    assert dump(pyftrace).returncode == 0
    (recorded / "victim").write_text("mine")
    (recorded / "out" / "task.txt").unlink()
    (recorded / "out" / "task.txt").symlink_to(recorded / "victim")
    assert dump(pyftrace).returncode == 0
    assert (recorded / "victim").read_text() == "mine"
    assert not (recorded / "out" / "task.txt").is_symlink()


def test_no_room_is_one_line(recorded: Path):
    done = dump_within(resource.RLIMIT_FSIZE, 20, recorded)
    assert done.returncode == 1
    assert done.stderr == "pyftrace: cannot write: File too large\n"


def test_a_tap_of_it_needs_a_folder():
    with pytest.raises(ValueError, match="'uftrace' needs a folder"):
        api._engine.Tap("uftrace")
