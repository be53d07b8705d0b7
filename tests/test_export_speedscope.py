"""speedscope's JSON, read by the rules of its schema; speedscope itself opens it in
tests/viewers."""

from pathlib import Path

import hostile
import pytest
import recorded

import pyftrace as api
from pyftrace.exports import Source, speedscope


def figures(file: dict) -> list[dict[recorded.Function, list[int]]]:
    """Of each profile [spans, ns, ns of its own] by function; events are nested, in order of
    time, and within the profile's."""
    frames = [(f["name"].rpartition(".")[2], f.get("line", 0)) for f in file["shared"]["frames"]]
    found = []
    for profile in file["profiles"]:
        assert profile["type"] == "evented" and profile["unit"] == "nanoseconds"
        sums: dict[recorded.Function, list[int]] = {}
        stack: list[list[int]] = []
        now = profile["startValue"]
        for event in profile["events"]:
            assert now <= event["at"] <= profile["endValue"]
            now = event["at"]
            if event["type"] == "O":
                stack.append([event["frame"], now, 0])
                continue
            frame, begin, below = stack.pop()
            assert event["type"] == "C" and event["frame"] == frame
            entry = sums.setdefault(frames[frame], [0, 0, 0])
            entry[0] += 1
            entry[1] += (now - begin) * (frame not in [open[0] for open in stack])
            entry[2] += now - begin - below
            if stack:
                stack[-1][2] += now - begin
        assert not stack
        found.append(sums)
    return found


def load(path: Path) -> dict:
    return hostile.strict(path.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speedscope")
    recorded.record(folder)
    return folder


def expected(recording: "api.Recording") -> dict[recorded.Function, list[int]]:
    """Spans are starts and resumes."""
    return {
        (row.function.rpartition(".")[2], row.line): [
            row.calls + row.resumes, row.total_ns, row.self_ns
        ]
        for row in recording.report().rows
    }  # fmt: skip


def test_each_thread_is_a_profile_of_its_calls(folder: Path):
    file = load(recorded.dump(folder, "speedscope"))
    assert [p["name"].partition(" (")[0] for p in file["profiles"]] == ["MainThread", "w0", "w1"]
    found = figures(file)
    assert found[1].keys() == {("work", 28), ("fact", 4), ("leaf", 3)}
    sums: dict[recorded.Function, list[int]] = {}
    for of_thread in found:
        for function, entry in of_thread.items():
            before = sums.get(function, [0, 0, 0])
            sums[function] = [a + b for a, b in zip(before, entry, strict=True)]
    assert sums == expected(api.open(folder / "pyftrace.data"))


def test_frames_are_the_functions_with_their_places(folder: Path):
    frames = load(recorded.dump(folder, "speedscope"))["shared"]["frames"]
    assert {"name": "__main__.fact", "file": str(folder / "app.py"), "line": 4} in frames
    assert len(frames) == len(recorded.CALLS)


def test_more_events_than_a_browser_holds_are_added_up(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recording = api.open(folder / "pyftrace.data")
    monkeypatch.setattr(speedscope, "EVENTS_MAX", 100)
    patterns = {"function": (), "exclude": ("even",), "hide": (), "depth": 0}
    part = {"pid": 0, "tid": 0, "since": None, "until": None}
    with open(tmp_path / "out", "w") as out:
        speedscope.write(Source(recording, patterns, part), out)
    file = load(tmp_path / "out")
    (found,) = figures(file)
    assert "added up" in file["profiles"][0]["name"]
    rows = recording.report(exclude="even").rows
    assert {function: entry[1:] for function, entry in found.items()} == {
        (row.function.rpartition(".")[2], row.line): [row.total_ns, row.self_ns] for row in rows
    }


def test_a_ring_begins_with_the_calls_that_were_open(tmp_path: Path):
    program = """\
def f(): pass
def outer():
    for _ in range(300_000): f()
outer()
"""
    recording = recorded.record(tmp_path, program, "--ring", "256k")
    words = ["--since", f"{next(recording.events()).t}ns"]
    out = recorded.dump(tmp_path, "speedscope", *words, message=recorded.INCOMPLETE)
    (profile,) = load(out)["profiles"]
    frames = [f["name"] for f in load(out)["shared"]["frames"]]
    assert frames[profile["events"][0]["frame"]] == "__main__.outer"
    found = figures(load(out))[0]
    assert found["outer", 2][0] == 1
    ends = sum(e.event == "return" and e.function == "f" for e in recording.events())
    assert found["f", 1][0] == ends > 10_000


def test_hostile_names_are_as_they_are(tmp_path: Path):
    hostile.write(tmp_path)
    recorded.record(tmp_path, (tmp_path / "app.py").read_text().replace("sys.exit(3)", ""))
    frames = load(recorded.dump(tmp_path, "speedscope"))["shared"]["frames"]
    assert len(frames) == hostile.ROWS
    names = {f["name"].removeprefix("__main__.") for f in frames}
    assert {name for name in hostile.NAMES if name} <= names
