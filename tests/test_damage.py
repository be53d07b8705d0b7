"""Recordings cut, changed, mixed up: an OSError, or events and a word about the damage."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Run, clean_environment

import pyftrace
from pyftrace import _engine

PROGRAM = """\
import threading

def gen(n):
    yield n

def fail(n):
    if n == 0:
        raise ValueError("bad")
    fail(n - 1)

def work(n):
    for i in gen(n):
        pass
    try:
        fail(2)
    except ValueError:
        pass

work(1)
thread = threading.Thread(target=work, args=(2,), name="second")
thread.start()
thread.join()
"""
VERBS = (
    ["replay"], ["report"], ["graph"], ["info"], ["html", "-q"], ["dump", "--format", "jsonl"],
)  # fmt: skip


DEFS_HEAD = 176  # sizeof(struct ft_defs_head)
LANE_HEAD = 64  # sizeof(struct ft_lane_head)
SEGMENT_DEPTH = 64  # offsetof(struct ft_segment, depth)

Events = dict[int, list[tuple[object, ...]]]


def record(folder: Path, program: str = PROGRAM) -> Path:
    """folder/run.data: the program's recording."""
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(program)
    words = ["record", "-q", "-v", "--args", "--values=safe", "-o", "run.data", "app.py"]
    subprocess.run(
        [sys.executable, "-m", "pyftrace", *words],
        cwd=folder, env=clean_environment(), check=True, timeout=60,
    )  # fmt: skip
    return folder / "run.data"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Where copies are fast to make: thousands are."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        yield Path(folder)


@pytest.fixture
def copy(sound: Path, place: Path) -> Iterator[Path]:
    """A copy of the recording, to be spoilt."""
    folder = place / "copy.data"
    shutil.copytree(sound, folder)
    yield folder
    shutil.rmtree(folder)


def only(folder: Path, pattern: str) -> Path:
    """The one file of that pattern."""
    (found,) = folder.glob(pattern)
    return found


def defs(folder: Path) -> Path:
    return only(folder, "*.defs")


def lanes(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.lane"))


def events_of(recording: pyftrace.Recording) -> Events:
    """By thread: what happened, without the times."""
    found: Events = {}
    for e in recording.events():
        one = (e.event, e.depth, e.function, e.args, e.value, e.exception)
        found.setdefault(e.thread, []).append(one)
    return found


def look(folder: Path) -> tuple[Events, list[str]] | None:
    """Everything a reader can be asked for; None: refused with an OSError."""
    try:
        recording = pyftrace.open(folder)
    except OSError:
        return None
    events = events_of(recording)
    recording.report().rows  # noqa: B018
    recording.tree()
    with open(os.devnull, "wb") as nowhere:
        text = _engine.Tap("text", fd=nowhere.fileno(), args=True, time=True)
        recording.walk(text, merged=True)
        text.flush()
    why: list[str] = recording.info["why"]
    return events, why


def is_prefix(cut: Events, whole: Events) -> bool:
    """Thread by thread; a last `lost` tells that more was there."""
    for thread, events in cut.items():
        told = [event for event in events if event[0] != "lost"]
        if events[: len(told)] != told or whole.get(thread, [])[: len(told)] != told:
            return False
    return True


def test_the_sound_recording_is_complete(sound: Path) -> None:
    looked = look(sound)
    assert looked is not None
    events, why = looked
    assert why == []
    assert len(events) == 2
    assert sum(map(len, events.values())) > 30
    assert all(path.stat().st_size < 16384 for path in sound.iterdir())


# ---- every byte, every bit -----------------------------------------------------------------------


def spoil(path: Path, changes: Iterator[bytes]) -> Iterator[int]:
    """The file with one change after the other; its number."""
    for number, body in enumerate(changes):
        path.write_bytes(body)
        yield number


def meant(body: bytes) -> int:
    """Bytes of the file that are not room at its end."""
    return len(body.rstrip(b"\0"))


@pytest.mark.parametrize("pattern", ["run", "*.defs", "*.0.lane", "*.1.lane"])
def test_cut_at_every_byte(pattern: str, copy: Path) -> None:
    """An error, or a prefix of each thread's events and a word about what is missing."""
    whole = look(copy)
    assert whole is not None
    found = list(copy.glob(pattern))
    if not found:
        pytest.skip("the threads shared a file")
    path = found[0]
    body = path.read_bytes()
    for size in spoil(path, (body[:n] for n in range(meant(body)))):
        looked = look(copy)
        if pattern == "run":
            assert looked is None, size
        elif looked is not None:
            events, why = looked
            assert why, f"cut at {size}: said to be complete"
            if pattern != "*.defs":
                assert is_prefix(events, whole[0]), size
                counted = pyftrace.open(copy).info["events"]
                there = [e for each in events.values() for e in each if e[0] != "lost"]
                assert counted == len(there), f"cut at {size}"


@pytest.mark.parametrize("pattern", ["run", "*.defs", "*.0.lane", "*.1.lane"])
def test_flipped_at_every_bit(pattern: str, copy: Path) -> None:
    """An error or some events: nothing else is raised, nothing hangs, nothing invents events."""
    found = list(copy.glob(pattern))
    if not found:
        pytest.skip("the threads shared a file")
    path = found[0]
    body = path.read_bytes()
    most = sum(file.stat().st_size for file in copy.iterdir())

    def flipped() -> Iterator[bytes]:
        for bit in range(meant(body) * 8):
            spoilt = bytearray(body)
            spoilt[bit // 8] ^= 1 << bit % 8
            yield bytes(spoilt)

    for bit in spoil(path, flipped()):
        looked = look(copy)
        if looked is not None:
            events, why = looked
            assert sum(map(len, events.values())) <= most, bit
            assert all(isinstance(reason, str) for reason in why)


def test_a_segment_that_does_not_go_on_is_left_out(tmp_path: Path) -> None:
    """Its head says that another number of calls is open than there are."""
    data = record(tmp_path, "def f(): pass\nfor n in range(100_000): f()\n")
    (lane,) = lanes(data)
    body = bytearray(lane.read_bytes())
    size = int.from_bytes(body[LANE_HEAD + 8 :][:8], "little")
    second = LANE_HEAD + size
    assert body[second : second + 4] == b"SEG1"
    body[second + SEGMENT_DEPTH] += 1
    lane.write_bytes(body)
    looked = look(data)
    assert looked is not None
    events, why = looked
    assert "a segment that does not go on where the one before ended" in why[0]
    ((_, thread),) = events.items()
    assert [event[0] for event in thread].count("lost") == 1
    assert {event[1] for event in thread if event[2] == "f"} == {0}, "of what is sound"


# ---- the verbs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_verb_on_damage_says_so_in_a_line(verb: list[str], copy: Path, pyftrace: Run) -> None:
    lane = lanes(copy)[0]
    lane.write_bytes(lane.read_bytes()[:200])
    done = pyftrace(*verb, str(copy))
    assert done.returncode == 1
    assert done.stderr.startswith("pyftrace: the recording is damaged: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_verb_on_no_recording_says_so_in_a_line(
    verb: list[str], copy: Path, pyftrace: Run
) -> None:
    run = copy / "run"
    run.write_bytes(b"PYFTRUN\0" + b"\xff" * 200)
    done = pyftrace(*verb, str(copy))
    assert done.returncode == 1
    assert done.stderr.startswith("pyftrace: cannot read ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


# ---- files that are missing, foreign or of another kind ------------------------------------------


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def linked(path: Path, to: Path) -> None:
    """`path` becomes a link to what it was, which moves to `to`."""
    shutil.move(path, to)
    path.symlink_to(to)


def test_without_run_it_is_no_recording(copy: Path) -> None:
    (copy / "run").unlink()
    with pytest.raises(FileNotFoundError):
        pyftrace.open(copy)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, Path.touch])
def test_run_must_be_a_file_of_ours(make: Callable[[Path], object], copy: Path) -> None:
    replaced(copy / "run", make)
    with pytest.raises(FileNotFoundError):
        pyftrace.open(copy)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_lane_of_another_kind_is_damage(make: Callable[[Path], object], copy: Path) -> None:
    replaced(lanes(copy)[0], make)
    looked = look(copy)
    assert looked is not None
    assert any("no regular file" in reason for reason in looked[1])


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, Path.touch])
def test_definitions_of_another_kind_are_damage(make: Callable[[Path], object], copy: Path) -> None:
    replaced(defs(copy), make)
    looked = look(copy)
    assert looked is not None
    assert looked[0] == {}
    assert any("no head of ours" in reason for reason in looked[1])


def test_a_linked_lane_is_not_followed(copy: Path, tmp_path: Path) -> None:
    linked(lanes(copy)[0], tmp_path / "elsewhere")
    looked = look(copy)
    assert looked is not None
    assert looked[1] and lanes(copy)[0].name in looked[1][0]


def test_an_empty_lane_loses_its_events_with_a_word(copy: Path) -> None:
    for lane in lanes(copy):
        lane.write_bytes(b"")
    looked = look(copy)
    assert looked is not None
    events, why = looked
    assert all(event[0] == "lost" for found in events.values() for event in found)
    assert any("missing" in reason for reason in why)


def test_a_lane_without_definitions_is_damage(copy: Path) -> None:
    defs(copy).unlink()
    looked = look(copy)
    assert looked is not None
    assert any("no definitions belong to it" in reason for reason in looked[1])


def test_a_missing_lane_is_missed(copy: Path) -> None:
    for lane in lanes(copy):
        lane.unlink()
    looked = look(copy)
    assert looked is not None
    assert any("missing" in reason for reason in looked[1])


def test_foreign_files_are_passed_by(copy: Path) -> None:
    whole = look(copy)
    (copy / "notes.txt").write_text("not ours")
    (copy / "lane").write_bytes(b"\0" * 100)
    (copy / ".lane").write_bytes(b"PYFTLAN\0")
    (copy / "folder").mkdir()
    os.mkfifo(copy / "pipe")
    assert look(copy) == whole


def test_definitions_of_another_run_are_left_out(copy: Path, tmp_path: Path) -> None:
    whole = look(copy)
    other = defs(record(tmp_path / "other"))
    shutil.copy(other, copy)
    looked = look(copy)
    assert whole is not None and looked is not None
    assert looked[0] == whole[0]
    assert any("of another recording" in reason for reason in looked[1])


def test_the_first_of_two_definitions_holds(copy: Path) -> None:
    whole = look(copy)
    path = defs(copy)
    body = path.read_bytes()
    again = body.replace(b"work", b"WORK")[DEFS_HEAD:]
    assert again != body[DEFS_HEAD:]
    path.write_bytes(body + again)
    assert look(copy) == whole


def test_a_lane_that_is_there_twice_is_told_once(copy: Path) -> None:
    whole = look(copy)
    for lane in lanes(copy):
        shutil.copy(lane, lane.with_name(lane.name.replace(".lane", "9.lane")))
    looked = look(copy)
    assert whole is not None and looked is not None
    assert looked[0] == whole[0]
    assert any("repeats events" in reason for reason in looked[1])


def test_holes_of_a_terabyte_are_not_walked(copy: Path) -> None:
    whole = look(copy)
    for path in (*lanes(copy), defs(copy)):
        os.truncate(path, 1 << 40)
    assert look(copy) == whole


def test_a_ring_of_tiny_segments_is_damage(copy: Path) -> None:
    lane = lanes(copy)[0]
    body = lane.read_bytes()
    lane.write_bytes(body[:32] + (8).to_bytes(8, sys.byteorder) + body[40:])
    os.truncate(lane, 1 << 40)
    looked = look(copy)
    assert looked is not None
    assert f"{lane.name}: no head of ours at byte 0" in looked[1]


def test_many_empty_definitions_are_passed_over(copy: Path) -> None:
    whole = look(copy)
    path = defs(copy)
    body = path.read_bytes()
    path.write_bytes(body[:DEFS_HEAD] + b"\x7f\x00" * (1 << 20) + body[DEFS_HEAD:])
    assert look(copy) == whole


def test_an_id_out_of_all_proportion_is_damage(copy: Path) -> None:
    path = defs(copy)
    function = b"\xff\xff\xff\xff\x7f" + b"\0" * 6
    path.write_bytes(path.read_bytes() + b"\x01" + bytes([len(function)]) + function)
    looked = look(copy)
    assert looked is not None
    assert any("a bad definition" in reason for reason in looked[1])


def test_names_in_messages_are_printable(copy: Path) -> None:
    lane = lanes(copy)[0]
    (copy / f"{lane.name.partition('.')[0]}x\x1b[2J\n.0.lane").write_bytes(b"PYFTLAN\0")
    (copy / "\x1b[2J.fail").write_bytes(b"\x1b[2J\n")
    recording = pyftrace.open(copy)
    said = [*recording.damage, *recording.failures]
    assert len(said) == 2
    assert all(text.isprintable() for text in said), said


def test_texts_of_events_are_printable(copy: Path, pyftrace: Run) -> None:
    for lane in lanes(copy):
        lane.write_bytes(lane.read_bytes().replace(b"ValueError", b"\x1b[2JErro\nr"))
    done = pyftrace("replay", str(copy))
    assert r"\x1b[2JErro\nr: bad" in done.stdout
    assert "\x1b" not in done.stdout
