"""``pyftrace tui``, its keys pressed by textual's pilot: what is on the screen then."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path

import hostile
import pytest

pytest.importorskip("textual")

from textual.pilot import Pilot

import pyftrace as api
from pyftrace.tui.app import Pyftrace

APP = """\
import threading
def leaf(n): return n * 2
def work():
    for n in range(100): leaf(n)
def gen():
    yield 1
    yield 2
def bad(): raise ValueError("no [bold]luck[/bold]")
def main():
    work()
    list(gen())
    try: bad()
    except ValueError: pass
    thread = threading.Thread(target=work, name="worker-1")
    thread.start(); thread.join()
def last(): pass
main()
last()
"""


def lines(pilot: Pilot) -> list[str]:
    """The screen's, without what is to the right of their text."""
    strips = pilot.app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def tree(pilot: Pilot) -> list[str]:
    """The rows of the tree, without bars and times."""
    view = pilot.app.view
    return [line[20 : view.size.width].rstrip() for line in lines(pilot)[1 : view.size.height + 1]]


def drive(
    path: Path, script: Callable[[Pilot], Coroutine], size: tuple[int, int] = (80, 24)
) -> None:
    async def run() -> None:
        app = Pyftrace(api.open(path))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await script(pilot)

    asyncio.run(run())


async def press(pilot: Pilot, *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause(0)
    await pilot.pause()


@pytest.fixture
def recorded(tmp_path: Path, pyftrace) -> Path:
    (tmp_path / "app.py").write_text(APP)
    words = ("-a", "--values", "safe", "--callers", "-q", "-o", "d", "app.py")
    assert pyftrace("record", *words).returncode == 0
    return tmp_path / "d"


def test_calls_fold_and_unfold_with_values_and_exceptions(recorded: Path):
    async def script(pilot: Pilot) -> None:
        rows = tree(pilot)
        assert rows[:3] == ["▾ main() -> None", "  ▸ work() -> None", "    gen() yields 1"]
        assert "    resumed gen yields 2" in rows
        assert "    bad() raises ValueError: no [bold]luck[/bold]" in rows
        assert rows[6] == "  last() -> None"
        await press(pilot, "down", "enter")
        assert tree(pilot)[1:4] == ["  ▾ work() -> None", "      leaf(n=0) -> 0",
                                    "      leaf(n=1) -> 2"]  # fmt: skip
        await press(pilot, "left")
        assert tree(pilot)[1:3] == ["  ▸ work() -> None", "    gen() yields 1"]
        await press(pilot, "g", "enter")
        assert tree(pilot)[:3] == ["▸ main() -> None", "  last() -> None", ""]

    drive(recorded, script)


def test_the_ends_pages_and_levels(recorded: Path):
    async def script(pilot: Pilot) -> None:
        await press(pilot, "Z")
        assert tree(pilot)[2:4] == ["      leaf(n=0) -> 0", "      leaf(n=1) -> 2"]
        await press(pilot, "G")
        assert [row for row in tree(pilot) if row][-1] == "  last() -> None"
        assert "      leaf(n=99) -> 198" in tree(pilot)
        seen = []
        for _ in range(10):
            await press(pilot, "pageup")
            seen.append(tree(pilot)[0])
        assert seen[-1] == "▾ main() -> None"
        for _ in range(10):
            await press(pilot, "pagedown")
        assert pilot.app.view.current.depth == 0 and "last() -> None" in lines(pilot)[-2]

    drive(recorded, script)


def test_every_row_is_one_call_of_the_recording(recorded: Path):
    async def script(pilot: Pilot) -> None:
        await press(pilot, "Z")
        view = pilot.app.view
        forward = []
        row = view.calls.first()
        while row is not None:
            forward.append((row.at, row.depth))
            row = view.calls.after(row)
        enters = ("start", "resume", "throw")
        events = list(api.open(recorded).events(thread=view.calls.serial))
        assert forward == [(i, e.depth) for i, e in enumerate(events) if e.event in enters]
        row, back = view.calls.last(), []
        while row is not None:
            back.append((row.at, row.depth))
            row = view.calls.before(row)
        assert back[::-1] == forward

    drive(recorded, script)


def test_a_search_finds_next_and_previous_and_unfolds(recorded: Path):
    async def script(pilot: Pilot) -> None:
        await press(pilot, "slash", *"leaf", "enter")
        current = [pilot.app.view.current]
        assert "      leaf(n=0) -> 0" in tree(pilot)
        await press(pilot, "n", "n")
        assert pilot.app.view.current.args == "n=2"
        await press(pilot, "N")
        assert pilot.app.view.current.args == "n=1" and current[0].args == "n=0"
        await press(pilot, "p")
        assert "work()" in lines(pilot)[-2]
        await press(pilot, "slash", *"nothing_such", "enter")
        assert "no function matches 'nothing_such'" in lines(pilot)[0]

    drive(recorded, script, (160, 40))


def test_threads_functions_source_and_help(recorded: Path):
    async def script(pilot: Pilot) -> None:
        await press(pilot, "f")
        text = "\n".join(lines(pilot))
        assert re.search(r"leaf +\S+ \S+ +\S+ \S+ +200", text), text
        await press(pilot, "f", "t")
        assert any("worker-1  202 events" in line for line in lines(pilot))
        await press(pilot, "down", "enter")
        assert tree(pilot)[:2] == ["▾ work() -> None", "    leaf(n=0) -> 0"]
        assert "worker-1" in lines(pilot)[0]
        await press(pilot, "s", "down")
        assert any("def leaf(n): return n * 2" in line for line in lines(pilot))
        await press(pilot, "escape", "question_mark")
        assert any("previous call of this call's function" in line for line in lines(pilot))
        await press(pilot, "escape", "c", "c", "C")
        assert pilot.app.view.current.args == "n=1"

    drive(recorded, script, (160, 40))


def test_a_time_and_a_range(recorded: Path):
    events = list(api.open(recorded).events(thread=1))
    bad = next(e for e in events if e.function == "bad")

    async def script(pilot: Pilot) -> None:
        await press(pilot, "colon", *f"{bad.t}ns", "enter")
        assert pilot.app.view.current.begin_ns == bad.t
        await press(pilot, "r", *f"{bad.t}ns", "space", *f"{bad.t + 1}ns", "enter")
        assert [row.split("(")[0] for row in tree(pilot) if row] == ["▾ main", "    bad"]
        await press(pilot, "r", *"5s 1s".replace(" ", ""), "enter")
        assert pilot.app.is_running

    drive(recorded, script)


def test_hostile_names_are_harmless(tmp_path: Path, pyftrace):
    hostile.write(tmp_path)
    pyftrace("record", "-a", "--values", "safe", "-q", "-o", "d", "app.py")

    async def script(pilot: Pilot) -> None:
        for _ in range(8):
            await press(pilot, "f", "f", "s", "s", "pagedown")
            assert not [line for line in lines(pilot) if hostile.HOSTILE.search(line)]

    drive(tmp_path / "d", script, (120, 30))


def test_a_ring_a_killed_program_and_an_empty_recording(tmp_path: Path, pyftrace):
    kill = "import os\ndef f(n):\n    if n: f(n - 1)\n    os.kill(os.getpid(), 9)\nf(2)\n"
    ring = "def leaf(): pass\ndef main():\n    for _ in range(300000): leaf()\nmain()\n"
    (tmp_path / "kill.py").write_text(kill)
    (tmp_path / "ring.py").write_text(ring)
    pyftrace("record", "-q", "-o", "killed", "kill.py")
    pyftrace("record", "-q", "-o", "ring", "--ring", "256K", "ring.py")
    pyftrace("record", "-q", "-o", "empty", "-c", "pass")

    async def killed(pilot: Pilot) -> None:
        assert tree(pilot)[:2] == ["▾ f  (not over)", "  ▸ f  (not over)"]
        assert "INCOMPLETE" in lines(pilot)[0]

    async def rung(pilot: Pilot) -> None:
        rows = tree(pilot)
        assert re.fullmatch(r"  \d+ events are missing here", rows[0])
        assert rows[1] == "▾ ... main" and rows[2].strip() in ("leaf", "... leaf")
        await press(pilot, "G", "g")
        assert tree(pilot) == rows

    async def empty(pilot: Pilot) -> None:
        await press(pilot, "f", "s", "t", "escape", "n", "G", "slash", "escape")
        assert pilot.app.is_running

    drive(tmp_path / "killed", killed)
    drive(tmp_path / "ring", rung)
    drive(tmp_path / "empty", empty)


def test_without_a_terminal_it_is_refused(tmp_path: Path, pyftrace):
    done = pyftrace("tui", "nothing")
    assert (done.returncode, done.stderr) == (2, "pyftrace: tui needs a terminal\n")
    assert "pyftrace tui app.py" in pyftrace("tui", "-h").stdout


def test_without_textual_it_says_what_to_install(python):
    code = "import sys; sys.modules['textual'] = None; from pyftrace.cli import run;"
    done = python("-c", code + "sys.exit(run(['tui']))")
    line = "pyftrace: tui needs textual: pip install 'pyftrace[tui]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)


def test_a_damaged_recording_is_shown_as_far_as_it_goes(recorded: Path):
    (lane, *_) = sorted(recorded.glob("*.0.lane"))
    whole = bytearray(lane.read_bytes())
    at = whole.index(b"no [bold]luck")
    whole[at - 8 : at + 40] = b"\xff" * 48
    lane.write_bytes(whole)

    async def script(pilot: Pilot) -> None:
        assert tree(pilot)[1].strip().startswith("▸ work()")
        await press(pilot, "Z", "G", "pageup", "pageup", "slash", *"leaf", "enter", "escape")
        assert "damaged: " in lines(pilot)[0]

    drive(recorded, script, (140, 30))
