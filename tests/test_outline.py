"""What is read of a thread's calls a piece at a time is what all of its events say: the tree from
its top, from its end, by the stack at any place, by function and by time."""

import random
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from oracle.programs import Program

import pyftrace as api
from pyftrace import _engine

ENTERS = ("start", "resume", "throw", "c_call")
FOREVER = 1 << 60


class Call(NamedTuple):
    at: int
    depth: int
    entered: str
    function: str
    begin: int
    args: str | None


class Expected:
    """The tree of one thread, from its events alone."""

    def __init__(self, events: list[api.Event]) -> None:
        self.calls: dict[int, Call] = {}
        self.ends: dict[int, tuple[int, str, int, str | None]] = {}
        self.children: dict[int | None, list[int]] = {None: []}
        self.stacks: list[list[int]] = []
        stack: list[int] = []
        for at, e in enumerate(events):
            self.stacks.append(list(stack))
            if e.event in ENTERS:
                assert e.depth == len(stack)
                self.calls[at] = Call(at, e.depth, e.event, e.function, e.t, e.args)
                self.children.setdefault(stack[-1] if stack else None, []).append(at)
                self.children[at] = []
                stack.append(at)
            else:
                self.ends[stack.pop()] = (at, e.event, e.t, e.exception or e.value)
        self.times = [e.t for e in events]


def level(outline: "_engine.Outline", depth: int, first: int, most: int, budget: int = FOREVER):
    """All rows at a depth, a few at a time."""
    found = []
    over = False
    while not over:
        rows, over = outline.rows(depth, first, most, budget)
        assert rows or over
        found += rows
        if rows:
            first = rows[-1][1] + (rows[-1][3] != "lost")
    return found


def check_tree(outline: "_engine.Outline", expected: Expected, names: dict) -> int:
    todo: list[tuple[int | None, int, int]] = [(None, 0, 0)]
    seen = 0
    chance = random.Random(1)
    while todo:
        parent, depth, first = todo.pop(chance.randrange(len(todo)))
        rows = level(outline, depth, first, chance.choice([1, 3, 50]), chance.choice([1, FOREVER]))
        assert [row[0] for row in rows] == expected.children[parent]
        for row in rows:
            at, end, func, entered, begin, left, ended, *_, args, value, _, _ = row
            call = Call(at, depth, entered, names[func][0], begin, args)
            assert call == expected.calls[at]
            if at in expected.ends:
                assert (end, left, ended, value) == expected.ends[at]
            else:
                assert left is None
            todo.append((at, depth + 1, at + 1))
            seen += 1
    return seen


def check_back(outline: "_engine.Outline", expected: Expected) -> None:
    chance = random.Random(2)
    for parent in chance.sample(sorted(expected.calls), min(40, len(expected.calls))):
        children, depth = expected.children[parent], expected.calls[parent].depth + 1
        for most in (1, 2, 7):
            upto = chance.choice([*children, expected.ends[parent][0]])
            before = [at for at in children if at < upto][-most:]
            begin = outline.back(depth, parent + 1, upto, most)
            rows, _ = outline.rows(depth, begin, most, FOREVER)
            assert [row[0] for row in rows if row[0] < upto][-most:] == before


def check_places(outline: "_engine.Outline", expected: Expected, names: dict) -> None:
    chance = random.Random(3)
    places = range(len(expected.stacks))
    for place in chance.sample(places, min(200, len(places))):
        assert outline.stack(place) == expected.stacks[place]
        ns = expected.times[place]
        assert outline.place(ns) == expected.times.index(ns)
    for func in chance.sample(sorted(names), min(8, len(names))):
        name = names[func]
        same = {f for f in names if names[f] == name}
        wanted = bytes(f in same for f in range(max(names) + 1))
        at = [c.at for c in expected.calls.values() if c.function == name[0]]
        if sum(names[f][0] == name[0] for f in names) > len(same):
            continue
        found, begin = [], 0
        while begin < len(places) and len(found) < 100:
            hit, begin = outline.find(wanted, begin, len(places), False, 500)
            if hit is not None:
                found.append(hit)
                begin = hit + 1
        assert found == at[:100]
        found, upto = [], len(places)
        while upto > 0 and len(found) < 100:
            hit, upto = outline.find(wanted, 0, upto, True, 500)
            if hit is not None:
                found.append(hit)
                upto = hit
        assert found[::-1] == at[-100:]


def check_recording(path: Path) -> int:
    recording = _engine.Recording(str(path))
    names = recording.functions()
    seen = 0
    for thread in recording.threads():
        serial = thread["serial"]
        events = list(api.Recording(path).events(thread=serial))
        assert not [e for e in events if e.event == "lost"]
        outline, expected = recording.outline(serial), Expected(events)
        assert outline.extent()[0] == len(events)
        seen += check_tree(outline, expected, names)
        assert seen
        check_places(outline, expected, names)
        if not set(expected.calls) - set(expected.ends):
            check_back(outline, expected)
    assert not recording.damage
    return seen


@pytest.mark.parametrize("seed", range(6))
def test_generated_programs_are_the_tree_of_their_events(seed: int, tmp_path: Path):
    main = Program(seed + 3).space()["main"]
    with api.record(tmp_path / "d", include="*", args=True, values="safe", threads="all"):
        for _ in range(5):
            main()
    assert check_recording(tmp_path / "d") > 10


SHAPES = """
import sys
sys.setrecursionlimit(10**6)
def leaf(): pass
def flat(n):
    for _ in range(n): leaf()
def deep(n):
    leaf()
    if n: deep(n - 1)
    leaf()
def main():
    for _ in range(3): flat(40000)
    deep(2000)
    for _ in range(20000): flat(3)
    for _ in range(4): flat(10000)
main()
"""


def test_calls_longer_than_segments_are_found_whole(tmp_path: Path, pyftrace):
    (tmp_path / "app.py").write_text(SHAPES)
    assert pyftrace("record", "-q", "-o", "d", "app.py").returncode == 0
    check_large(tmp_path / "d")


def check_large(path: Path) -> None:
    """As check_recording, where walking the whole tree piece by piece would take too long."""
    recording = _engine.Recording(str(path))
    (thread,) = recording.threads()

    expected = Expected([*api.Recording(path).events()])
    outline, names = recording.outline(thread["serial"]), recording.functions()
    check_places(outline, expected, names)
    chance = random.Random(4)
    chosen = [at for at in expected.children if at is not None and expected.children[at]]
    for at in [*chance.sample(chosen, 30), *expected.children[None], *chosen[:3]]:
        depth = expected.calls[at].depth + 1
        rows, _ = outline.rows(depth, at + 1, 9, FOREVER)
        assert [row[0] for row in rows] == expected.children[at][:9]
        for row in rows:
            assert (row[1], row[5], row[6]) == expected.ends[row[0]][:3]
        begin = outline.back(depth, at + 1, expected.ends[at][0], 9)
        rows, _ = outline.rows(depth, begin, 9, FOREVER)
        assert [row[0] for row in rows] == expected.children[at][-9:]


def test_a_ring_begins_with_what_is_missing_and_what_was_open(tmp_path: Path, pyftrace):
    (tmp_path / "app.py").write_text(SHAPES)
    assert pyftrace("record", "-q", "--ring", "256K", "-o", "d", "app.py").returncode == 0
    recording = _engine.Recording(str(tmp_path / "d"))
    outline, names = recording.outline(1), recording.functions()
    lost, main = level(outline, 0, 0, 50)
    (missing,) = [thread["missing"] for thread in recording.threads()]
    assert (lost[0], lost[1], lost[3], lost[-1]) == (0, missing, "lost", missing)
    assert (main[0], names[main[2]][0], main[3], main[5]) == (missing, "main", "open", "return")

    events = [e for e in api.Recording(tmp_path / "d").events() if e.event != "lost"]
    rows = level(outline, 1, main[0], 1000)
    at = [missing + i for i, e in enumerate(events) if e.event in ENTERS and e.depth == 1]
    assert [row[0] for row in rows if row[3] != "open"] == at
    assert outline.stack(at[0])[0] == main[0]
    assert outline.stack(at[-1] + 1) == [main[0], at[-1]]


def test_a_killed_program_ends_with_calls_that_are_not_over(tmp_path: Path, pyftrace):
    app = "import os\ndef f(n):\n    if n: f(n - 1)\n    else: os.kill(os.getpid(), 9)\nf(3)\n"
    (tmp_path / "app.py").write_text(app)
    pyftrace("record", "-q", "-o", "d", "app.py")
    outline = _engine.Recording(str(tmp_path / "d")).outline(1)
    for depth in range(4):
        ((at, end, _, entered, _, left, *_),), over = outline.rows(depth, depth, 5, FOREVER)
        assert (at, end, entered, left, over) == (depth, 4, "start", None, True)
    assert outline.rows(4, 4, 5, FOREVER) == ([], True)
    assert outline.stack(4) == [0, 1, 2, 3]


def test_an_unknown_thread_is_an_error(tmp_path: Path, pyftrace):
    pyftrace("record", "-q", "-o", "d", "-c", "pass")
    recording = _engine.Recording(str(tmp_path / "d"))
    with pytest.raises(LookupError):
        recording.outline(1 << 40)


def test_damaged_segments_end_no_process(tmp_path: Path, pyftrace):
    """Bytes changed at random: whatever is read, nothing crashes and nothing hangs."""
    (tmp_path / "app.py").write_text(SHAPES.replace("0000", "00"))
    assert pyftrace("record", "-q", "-o", "d", "app.py").returncode == 0
    (lane,) = (tmp_path / "d").glob("*.lane")
    whole = lane.read_bytes()
    code = """
import sys
from pyftrace import _engine
recording = _engine.Recording(sys.argv[1])
for thread in recording.threads():
    outline = recording.outline(thread["serial"])
    total = outline.extent()[0]
    for depth in range(4):
        for begin in range(0, total + 1, total // 7 + 1):
            outline.rows(depth, begin, 20, 1000)
            outline.back(depth, 0, begin, 5)
            outline.stack(begin)
            outline.find(bytes([1] * 50), begin, total, depth % 2 == 0, 1000)
    outline.place(10**6)
"""
    chance = random.Random(5)
    for _ in range(12):
        bad = bytearray(whole)
        for _ in range(chance.choice([1, 5, 200])):
            bad[chance.randrange(64, len(bad))] = chance.randrange(256)
        lane.write_bytes(bad)
        words = [sys.executable, "-c", code, str(tmp_path / "d")]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
