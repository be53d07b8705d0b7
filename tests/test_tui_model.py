"""The rows of ``pyftrace tui`` without its screen, so without textual: read from either end, kept
within bounds, found by what they hold."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import pyftrace as api
from pyftrace.tui import model
from pyftrace.tui.model import ALL, Functions, Row, Tree, call_at, search, tasks_of

ENTERS = ("start", "resume", "throw", "c_call")
APP = """\
import asyncio
def leaf(n): return {"n": n}
def branch(n):
    for k in range(30): leaf(n * 100 + k)
    return "branch %d" % n
def bad(): raise ValueError("no luck")
async def work(n):
    for k in range(3):
        branch(n)
        await asyncio.sleep(0)
async def tasks():
    await asyncio.gather(*(asyncio.create_task(work(n), name=f"w{n}") for n in range(3)))
def main():
    for n in range(40): branch(n)
    try: bad()
    except ValueError: pass
    return "the end of it"
main()
asyncio.run(tasks())
main()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    space: dict[str, object] = {"__name__": "app"}
    with api.record(path / "d", include="*", only="app", args=True, values="safe"):
        exec(compile(APP, str(path / "app.py"), "exec"), space)
    return path / "d"


def tree_of(path: Path) -> tuple[Tree, list[api.Event]]:
    recording = api.open(path)
    (thread,) = [t["serial"] for t in recording.threads if t["events"]]
    return Tree(recording._engine, thread), list(recording.events(thread=thread))


def unfolded(tree: Tree) -> None:
    tree.root.levels = ALL
    tree.root.rows = None


def forward(tree: Tree) -> Iterator[Row]:
    row = tree.first()
    while row is not None:
        yield row
        row = tree.after(row)


def backward(tree: Tree) -> Iterator[Row]:
    row = tree.last()
    while row is not None:
        yield row
        row = tree.before(row)


def places(events: list[api.Event]) -> list[tuple[int, int]]:
    return [(i, e.depth) for i, e in enumerate(events) if e.event in ENTERS]


def alive(row: Row) -> int:
    """Rows that are kept in it."""
    return sum(1 + alive(below) for below in row.rows.rows) if row.rows is not None else 0


def test_every_row_is_one_call_of_the_recording(recorded: Path):
    tree, events = tree_of(recorded)
    unfolded(tree)
    assert [(row.at, row.depth) for row in forward(tree)] == places(events)
    assert [(row.at, row.depth) for row in backward(tree)] == places(events)[::-1]


@pytest.mark.parametrize("walk", [forward, backward])
def test_rows_that_left_the_screen_are_forgotten_and_read_again(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, walk
):
    monkeypatch.setattr(model, "KEPT", 60)
    monkeypatch.setattr(model, "BATCH", 16)
    tree, events = tree_of(recorded)
    unfolded(tree)
    screen: list[Row] = []
    seen, most = [], 0
    for row in walk(tree):
        seen.append((row.at, row.depth))
        screen = [*screen[-9:], row]
        tree.trim(screen)
        most = max(most, alive(tree.root))
        for shown in screen:  # what is on the screen stays the same rows
            assert shown.parent is not None and shown in tree.below(shown.parent).rows
    assert seen == (places(events) if walk is forward else places(events)[::-1])
    assert 30 < most < 200 < len(seen)
    turned = backward if walk is forward else forward
    back = [(row.at, row.depth) for row in turned(tree)]
    assert back == seen[::-1]


def test_a_text_leads_to_the_call_that_has_it(recorded: Path):
    tree, events = tree_of(recorded)
    functions = Functions(api.open(recorded)._engine).by_id

    def found(text: str, backward: bool) -> Row:
        *_, (place, _) = search(tree.outline, text, 0, tree.events, backward)
        assert place is not None
        assert text in (events[place].args or events[place].exception or events[place].value or "")
        row = tree.reveal(call_at(tree.outline, place))
        assert row is not None
        return row

    assert (found("n=1205", False).args, found("n=1205", True).args) == ("n=1205", "n=1205")
    for text, name in (("no luck", "bad"), ("branch 7", "branch"), ("the end of it", "main")):
        for backward in (False, True):
            row = found(text, backward)
            assert functions[row.function].name == name and text in (row.value or "")
    *_, (nothing, left) = search(tree.outline, "in no event", 0, tree.events, False)
    assert (nothing, left) == (None, 0)


def test_tasks_are_told_by_name_with_their_runs(recorded: Path):
    tree, _ = tree_of(recorded)
    *_, (found, left) = tasks_of(tree.outline, 0, tree.events)
    runs = {name: n for name, n, _ in found.values() if name.startswith("w")}
    assert left == 0 and runs == {"w0": 4, "w1": 4, "w2": 4}
    for name, _, first in found.values():
        row = tree.reveal(first)
        assert row is not None and (row.at, row.task) == (first, name)
