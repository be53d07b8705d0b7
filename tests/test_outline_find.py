"""Looking for a function, a text or a task finds what all events say, both ways, and the same again
once it is known what segments hold."""

import random
from pathlib import Path

import pytest
from oracle.programs import Program

import pyftrace as api
from pyftrace import _engine

ENTERS = ("start", "resume", "throw", "c_call")


def all_found(outline: "_engine.Outline", wanted: bytes | str | int, backward: bool, budget: int):
    """The places, in the order in which they are found."""
    found, begin, upto = [], 0, outline.extent()[0]
    while begin < upto:
        hit, reached = outline.find(wanted, begin, upto, backward, budget)
        if hit is not None:
            found.append(hit)
            reached = hit if backward else hit + 1
        assert begin <= reached <= upto and reached != (upto if backward else begin)
        begin, upto = (begin, reached) if backward else (reached, upto)
    return found


def check(outline: "_engine.Outline", wanted: bytes | str | int, expected: list[int]) -> None:
    for budget in (1, 1000, 1 << 40, 1 << 40):
        assert all_found(outline, wanted, False, budget) == expected
        assert all_found(outline, wanted, True, budget) == expected[::-1]


def text_of(event: api.Event) -> str:
    said = event.args if event.event in ENTERS else event.exception or event.value
    return said or ""


@pytest.mark.parametrize("seed", range(4))
def test_a_text_is_found_in_arguments_values_and_exceptions(seed: int, tmp_path: Path):
    main = Program(seed + 3).space()["main"]
    with api.record(tmp_path / "d", include="*", args=True, values="safe", threads="all"):
        main()
    recording = _engine.Recording(str(tmp_path / "d"))
    chance = random.Random(seed)
    found = 0
    for thread in recording.threads():
        events = [text_of(e) for e in api.Recording(tmp_path / "d").events(thread=thread["serial"])]
        outline = recording.outline(thread["serial"])
        said = sorted({text for text in events if text})
        for whole in chance.sample(said, min(8, len(said))):
            begin = chance.randrange(len(whole))
            part = whole[begin : begin + chance.choice([1, 3, 200])]
            expected = [at for at, text in enumerate(events) if part in text]
            check(outline, part, expected)
            found += len(expected)
        check(outline, "in no event of these", [])
    assert found > 10


LONG = """\
def leaf(n): return n
def other(n): return str(n)
def main():
    for n in range(90000): leaf(n)
    other("needle")
    for n in range(90000): leaf(n)
    other("é needle")
    for n in range(90000): leaf(n)
main()
"""


@pytest.mark.parametrize("texts", [["-a"], ["--values", "safe"]])
def test_what_segments_hold_is_known_after_one_search_and_changes_none(
    texts: list[str], tmp_path: Path, pyftrace
):
    (tmp_path / "app.py").write_text(LONG)
    assert pyftrace("record", *texts, "-q", "-o", "d", "app.py").returncode == 0
    recording = _engine.Recording(str(tmp_path / "d"))
    names = {f[0]: id for id, f in recording.functions().items()}
    events = list(api.Recording(tmp_path / "d").events())
    outline = recording.outline(1)
    assert outline.find("nothing such", 0, len(events), False, 1 << 40)[0] is None
    for text in ("needle", "é n", "89999"):
        expected = [at for at, e in enumerate(events) if text in text_of(e)]
        assert expected
        check(outline, text, expected)
    wanted = bytes(names["other"]) + b"\1"
    expected = [at for at, e in enumerate(events) if e.function == "other" and e.event == "start"]
    assert len(expected) == 2
    check(outline, wanted, expected)
    # A whole search costs no event now: the least budget covers many segments.
    assert outline.find(b"\0", 0, len(events), False, 1000) == (None, len(events))
    # Part of a segment is looked through, and no more.
    first, second = expected
    assert outline.find(wanted, first + 1, second, False, 1 << 40) == (None, second)
    assert outline.find(wanted, first, second + 1, True, 1 << 40)[0] == second


TASKS = """\
import asyncio
async def step(n):
    await asyncio.sleep(0)
    return n
async def work(n):
    for k in range(3): await step(k)
async def main():
    await asyncio.gather(*(asyncio.create_task(work(n), name=f"w{n}") for n in range(3)))
def before(): pass
before()
asyncio.run(main())
before()
"""


def test_tasks_are_told_with_their_runs_and_found(tmp_path: Path, pyftrace):
    (tmp_path / "app.py").write_text(TASKS)
    assert pyftrace("record", "-q", "-o", "d", "app.py").returncode == 0
    recording = _engine.Recording(str(tmp_path / "d"))
    outline = recording.outline(1)
    total = outline.extent()[0]
    names = {id: f[0] for id, f in recording.functions().items()}
    tasks: dict[int, tuple[str, int, int]] = {}
    begin = 0
    while begin < total:
        begin = outline.tasks(tasks, begin, total, 1)
    assert sorted(name for name, _, _ in tasks.values())[1:] == ["w0", "w1", "w2"]
    for serial, (name, runs, first) in tasks.items():
        found = all_found(outline, serial, False, 1 << 40)
        check(outline, serial, found)
        assert (len(found), found[0]) == (runs, first)
        for at in found:
            assert len(outline.stack(at)) == 0  # nothing of the task ran around it
            ((_, _, func, *_, task, _, _, _, _, _, _),), _ = outline.rows(0, at, 1, 1 << 40)
            assert (names[func], task) == ("work" if name[0] == "w" else "main", name)
        if name[0] == "w":
            assert runs == 4  # it waits three times
    check(outline, 1 << 50, [])


def test_what_cannot_be_looked_for_is_an_error(tmp_path: Path, pyftrace):
    pyftrace("record", "-q", "-o", "d", "-c", "def f(): pass\nf()")
    outline = _engine.Recording(str(tmp_path / "d")).outline(1)
    with pytest.raises(TypeError):
        outline.find(1.5, 0, 9, False, 9)
    with pytest.raises(OverflowError):
        outline.find(-1, 0, 9, False, 9)
    with pytest.raises(UnicodeEncodeError):
        outline.find("\ud800", 0, 9, False, 9)
