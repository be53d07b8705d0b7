"""``pyftrace tui``, its keys pressed by textual's pilot: what is on the screen then. Where there is
no textual these are skipped, one by one; tests/test_tui_model.py needs none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path

import hostile
import pytest

import pyftrace as api

try:
    from textual.pilot import Pilot

    from pyftrace.tui import app as tui
except ImportError:
    tui = None

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
    if tui is None:
        pytest.skip("no textual here, so no screen")

    async def run() -> None:
        app = tui.Pyftrace(api.open(path))
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


def test_a_text_is_searched_in_arguments_values_and_exceptions(recorded: Path):
    async def script(pilot: Pilot) -> None:
        await press(pilot, "v", *"n=42", "enter")
        assert pilot.app.view.current.args == "n=42"
        await press(pilot, "v", *"198", "enter")
        assert pilot.app.view.current.args == "n=99"  # whose value it is
        await press(pilot, "n")
        assert "no more after this" in lines(pilot)[0]
        await press(pilot, "v", *"bad luck", "enter")
        assert "no more after this" in lines(pilot)[0]
        await press(pilot, "g", "v", *"luck", "enter")
        assert pilot.app.view.current.value == "ValueError: no [bold]luck[/bold]"
        await press(pilot, "v", *"None", "enter")
        names = []
        for _ in range(2):  # values come up in the order of returns: main's before last's
            names.append(lines(pilot)[-2].strip().split("(")[0])
            await press(pilot, "n")
        assert names == ["main", "last"]
        await press(pilot, "N")
        assert lines(pilot)[-2].strip().startswith("main(")
        await press(pilot, "down", "up", "n")  # gone away, it is searched from where one stands
        assert lines(pilot)[-2].strip().startswith("work(")

    drive(recorded, script, (120, 40))


TASKS = """\
import asyncio
async def work(n):
    for _ in range(2): await asyncio.sleep(0)
async def main():
    await asyncio.gather(*(asyncio.create_task(work(n), name=f"w{n}") for n in range(3)))
asyncio.run(main())
"""


def test_a_task_is_chosen_and_its_runs_followed(tmp_path: Path, pyftrace):
    (tmp_path / "app.py").write_text(TASKS)
    assert pyftrace("record", "-a", "-q", "-o", "d", "app.py").returncode == 0

    async def script(pilot: Pilot) -> None:
        await press(pilot, "T")
        told = re.findall(r"w\d  \d+ runs", "\n".join(lines(pilot)))
        assert told == [f"w{n}  3 runs" for n in range(3)]
        await press(pilot, "down", "down", "enter")
        view, seen = pilot.app.view, []
        for _ in range(4):
            seen.append((view.current.task, view.current.entered))
            await press(pilot, "n")
        assert seen == [("w1", "start"), *[("w1", "resume")] * 3]
        assert "no more after this" in lines(pilot)[0]

    drive(tmp_path / "d", script, (100, 30))


def test_where_no_task_runs_it_is_said(recorded: Path):
    async def script(pilot: Pilot) -> None:
        await press(pilot, "T")
        assert "no task runs here" in lines(pilot)[0]

    drive(recorded, script)


def test_escape_stops_a_search(recorded: Path, monkeypatch: pytest.MonkeyPatch):
    def endless(*_: object):
        while True:
            yield None, 1

    async def script(pilot: Pilot) -> None:
        monkeypatch.setattr(tui, "search", endless)
        before = pilot.app.view.current
        await pilot.press("slash", *"leaf", "enter")
        for _ in range(10_000):
            if "searching: " in lines(pilot)[0]:
                break
            await pilot.pause(0.01)
        assert "%  (Escape stops)" in lines(pilot)[0]
        await pilot.press("down", "up")  # the keys are heard meanwhile
        await press(pilot, "escape")
        assert "searching" not in lines(pilot)[0] and pilot.app.view.current is before
        monkeypatch.undo()
        await press(pilot, "n")
        assert pilot.app.view.current.args == "n=0"

    drive(recorded, script, (120, 30))


def test_without_memory_it_ends_with_a_line(recorded: Path, monkeypatch: pytest.MonkeyPatch):
    class Outline:
        def __init__(self, real: object) -> None:
            self.real = real

        def __getattr__(self, name: str) -> object:
            if name in ("rows", "find"):
                raise MemoryError
            return getattr(self.real, name)

    async def script(pilot: Pilot) -> None:
        app = pilot.app
        serial = app._thread["serial"]
        app._finders[serial] = Outline(app._finder(serial))
        await press(pilot, "slash", *"leaf", "enter")
        assert "not enough memory" in lines(pilot)[0]
        app.view.calls.outline = Outline(app.view.calls.outline)
        app.simulate_key("enter")
        app.simulate_key("enter")
        for _ in range(10_000):  # the pilot waits for what does not come where an application ends
            if not app.is_running:
                break
            await asyncio.sleep(0.01)
        assert app.return_code == 1 and not app.is_running

    drive(recorded, script, (120, 30))


def test_no_color_leaves_none(recorded: Path, monkeypatch: pytest.MonkeyPatch):
    def colored(pilot: Pilot) -> list[str]:
        strips = pilot.app.screen._compositor.render_strips()
        found = [s for strip in strips for s in strip if s.style]
        colors = [(s.text, c) for s in found for c in (s.style.color, s.style.bgcolor)]
        return [text for text, color in colors if color and not color.is_default]

    def reversed_(pilot: Pilot) -> str:
        strips = pilot.app.screen._compositor.render_strips()
        return "".join(s.text for strip in strips for s in strip if s.style and s.style.reverse)

    async def plain(pilot: Pilot) -> None:
        for keys in ("", "f", "down", "s", "escape t", "escape question_mark", "escape slash"):
            await press(pilot, *keys.split())
            assert colored(pilot) == []
            if keys == "":
                assert "main() -> None" in reversed_(pilot) and "leaf" not in reversed_(pilot)

    async def bright(pilot: Pilot) -> None:
        assert len(colored(pilot)) > 10

    monkeypatch.setenv("NO_COLOR", "1")
    drive(recorded, plain, (120, 30))
    monkeypatch.setenv("NO_COLOR", "")  # as if it were not there
    drive(recorded, bright, (120, 30))


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


def test_the_source_is_where_the_call_is_also_in_a_library(tmp_path: Path, pyftrace):
    app = 'import re\ndef hit(m): return ""\ndef main():\n    re.sub("a", hit, "a")\nmain()\n'
    (tmp_path / "app.py").write_text(app)
    assert pyftrace("record", "--callers", "-q", "-o", "d", "app.py").returncode == 0
    (event,) = [e for e in api.open(tmp_path / "d").events() if e.function == "hit"][:1]

    async def script(pilot: Pilot) -> None:
        await press(pilot, "s")
        assert any("❱ 5 main()" in line for line in lines(pilot))
        await press(pilot, "down")
        text = "\n".join(lines(pilot))
        assert f"called from __init__.py:{event.call_line}" in text
        source = Path(re.__file__).read_text().splitlines()[event.call_line - 1]
        assert f"❱ {event.call_line} {source}" in text

    drive(tmp_path / "d", script, (160, 40))


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
        await press(pilot, "f", "s", "t", "escape", "n", "G", "slash", "enter", "escape")
        assert pilot.app.is_running and pilot.app.focused is None
        await press(pilot, "q")
        assert not pilot.app.is_running

    drive(tmp_path / "killed", killed)
    drive(tmp_path / "ring", rung)
    drive(tmp_path / "empty", empty)


def test_without_a_terminal_it_is_refused(tmp_path: Path, pyftrace):
    done = pyftrace("tui", "nothing")
    needed = "a terminal" if tui else "textual: pip install 'pyftrace[tui]'"
    assert (done.returncode, done.stderr) == (2, f"pyftrace: tui needs {needed}\n")
    assert "pyftrace tui app.py" in pyftrace("tui", "-h").stdout


def test_a_mistake_is_one_line(python, tmp_path: Path, pyftrace):
    """With a terminal, so that nothing else is refused first."""
    assert pyftrace("record", "-q", "-o", "d", "-c", "pass").returncode == 0
    code = """if True:
        import os, sys
        from importlib import util
        from pyftrace.commands import tui
        tui.find_spec = util.find_spec if util.find_spec("textual") else lambda name: True
        for stream in (sys.stdin, sys.stdout, sys.stderr): stream.isatty = lambda: True
        sys.exit(tui.main(sys.argv[1:]))
    """
    options = "options are for a TARGET, which is recorded first"
    for words, said in (
        (["--bogus"], "unknown option --bogus"),
        (["--report", "app.py"], "--report does not go with record"),
        (["-a", "d"], options),
        (["-a"], options),
        (["d", "e"], "one recording at a time: what is 'e'?"),
    ):
        done = python("-c", code, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"pyftrace: {said}\n"
    assert pyftrace("tui", "-V").stdout == pyftrace("-V").stdout


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
