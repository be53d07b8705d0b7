"""Names and texts made to do harm come out harmless and whole in every form there is, and the
program does not notice."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import FunctionType

import pytest
from conftest import clean_environment
from hostile import (
    EVENTS,
    NAMES,
    ROWS,
    called,
    calls,
    check_csv,
    check_html,
    glob,
    lines_of,
    shown,
    strict,
    write,
)

import pyftrace

UNTRACED = (3, "before\n", "after\n")
RED = "\x1b[31m\x9b2J\u202ered\n"
# A file may have any name without NUL and slash; one byte here is no UTF-8.
ODD = " =\x1b[31m\x9b2J\n\r\t\b\x7f'\"`\\n;$(x)&|*?[<b>\u202e\u2028\u200b\u0301\udcff~"
OUR_COLOURS = re.compile(r"\x1b\[(?:0|2|31|33|36)m")
DURATION = re.compile(r"  \[[\d.]+ [num]?s\]$", re.M)


def run(cwd: Path, *words: str, **more: str) -> tuple[int, str, str]:
    """Exit status, standard output and error; what is not UTF-8 fails."""
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, capture_output=True, timeout=120,
        env=clean_environment(LC_ALL="C.UTF-8", **more),
    )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def traced(cwd: Path, *words: str, **more: str) -> tuple[int, str, str]:
    return run(cwd, "-m", "pyftrace", *words, **more)


def to_file(cwd: Path, *words: str) -> str:
    """What -o gives of the program, which does not notice."""
    assert traced(cwd, "-o", "out", *words, "app.py") == UNTRACED
    return (cwd / "out").read_bytes().decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("hostile"))
    assert run(folder, "app.py") == UNTRACED
    return folder


# ---- live ----------------------------------------------------------------------------------------

LOOKS = [[], ["-a", "-t", "-p"], ["-a", "--values", "str"], ["-p", "--color", "always"]]


@pytest.mark.parametrize("options", LOOKS, ids=" ".join)
def test_an_event_is_a_line_of_the_tree(options: list[str], folder: Path):
    text = to_file(folder, *options)
    if "always" in options:
        text, changed = OUR_COLOURS.subn("", text)
        assert changed >= 4 * EVENTS
    lines = lines_of(text)
    assert len(lines) == EVENTS
    file = "@app.py" if "-p" in options else ""
    for name in NAMES:
        assert sum(f"Called {shown(name)}{file}:5" in line for line in lines) == 1, shown(name)
    labels = [line.partition("] Called work")[0][1:] for line in lines if "] Called work" in line]
    assert labels[:-1] == [shown(name) for name in NAMES[:-1]]
    assert re.fullmatch(r"thread-\d+", labels[-1])


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_tree_goes_between_what_the_program_prints(encoding: str, folder: Path):
    status, out, err = traced(folder, "app.py", PYTHONIOENCODING=encoding)
    assert (status, err) == (3, "after\n")
    lines = lines_of(out)
    assert lines[:2] == ["Running script: app.py", "before"]
    assert len(lines) == 2 + EVENTS
    assert out.isascii() == (encoding == "ascii")


def test_c_callables_have_names_of_types(folder: Path):
    """Lines of ours and nothing else; how many, the standard library knows."""
    line = re.compile(r"(?:\[.*\] )? *(Called|Resuming|Returning|Suspending|Raising) ")
    lines = lines_of(to_file(folder, "-v", "-a", "-p"))
    verbs = Counter(line.match(text)[1] for text in lines)
    assert verbs["Called"] + verbs["Resuming"] == len(lines) / 2 > EVENTS
    for name in NAMES:
        assert sum(f" Called {shown(name)} from " in line for line in lines) >= 1, shown(name)


def test_patterns_of_the_command_line(folder: Path):
    """Each finds both functions of its name, and inner with the second; but that of no name, whose
    module has none either."""
    tree = to_file(folder, *(f"--function={glob(name)}" for name in NAMES))
    assert len(lines_of(tree)) == 6 * len(NAMES) - 4


def test_live_report(folder: Path):
    # A blank line, titles, dashes, rows, a blank line, sums.
    assert len(lines_of(to_file(folder, "--report", "--columns", "all"))) == ROWS + 5
    assert called(strict(to_file(folder, "--report", "--format", "json"))) == calls(folder)
    check_csv(to_file(folder, "--report", "--format", "csv"), 11, calls(folder))


# ---- recorded ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recording(folder: Path) -> Path:
    words = ["record", "-q", "-a", "--values", "safe", "--callers", "app.py"]
    assert traced(folder, *words) == UNTRACED
    return folder


def test_replay_is_the_live_tree(recording: Path):
    replay = traced(recording, "replay")[1]
    assert len(lines_of(replay)) == EVENTS
    unlike = re.compile(rf"{DURATION.pattern}|\bthread-\d+", re.M)
    assert unlike.sub("", replay) == unlike.sub("", to_file(recording, "-a", "-t"))


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["replay", "-p"], EVENTS),
        (["replay", "--color", "always"], EVENTS),
        (["dump", "--format", "raw"], EVENTS),
        (["report", "--columns", "all"], ROWS + 5),
        # A heading of two lines and a table for each thread, but for the first of one row.
        (["report", "--per-thread"], (ROWS - 1 + 7) + len(NAMES) * (1 + 7)),
        (["graph"], 1 + 3 * len(NAMES) + 3),
        (["graph", "--func", "inner"], 4 * len(NAMES) + 4),
        (["info"], 11),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_verbs_count_lines(words: list[str], count: int, recording: Path):
    status, out, err = traced(recording, *words)
    assert (status, err) == (0, "")
    assert len(lines_of(OUR_COLOURS.sub("", out) if "always" in words else out)) == count


def test_recorded_report(recording: Path):
    table = traced(recording, "report", "--format", "json")[1]
    assert called(strict(table)) == calls(recording)
    check_csv(traced(recording, "report", "--format", "csv")[1], 14, calls(recording))


def test_dump_is_an_object_an_event(recording: Path):
    events = [strict(line) for line in lines_of(traced(recording, "dump")[1])]
    assert len(events) == EVENTS
    starts = [event for event in events if event["event"] == "start"]
    keys = ("function", "module", "file")
    assert Counter(tuple(event[key] for key in keys) for event in starts) == calls(recording)
    threads = [event["thread_name"] for event in starts if event["function"] == "work"]
    assert threads[:-1] == [shown(name) for name in NAMES[:-1]]
    tasks = [event["task"] for event in starts if event["function"] == "step"]
    assert tasks == [shown(name) or "Task" for name in NAMES]


def test_a_recording_in_code(recording: Path):
    opened = pyftrace.open(recording / "pyftrace.data")
    events = list(opened.events())
    assert len(events) == EVENTS
    starts = Counter((e.function, e.module, e.file) for e in events if e.event == "start")
    assert starts == calls(recording)
    report = opened.report()
    assert called(report.to_dicts()) == calls(recording)
    check_html(report._repr_html_(), set(map(shown, NAMES)))
    for name in NAMES[:-1]:
        assert opened.report(function=[glob(name)]).calls(glob(name)) == 2, shown(name)
    with pytest.raises(LookupError, match=r"did you mean \\x1b\]52;c;ZXZpbA==\\x07\?$"):
        report.calls("\x1b]52;c;ZXZpbA==")
    lines_of("\n".join([repr(opened), *map(repr, opened.tree().children), ""]))


# ---- in code -------------------------------------------------------------------------------------


def original(arg):
    return arg


def renamed(name: str) -> FunctionType:
    return FunctionType(original.__code__.replace(co_name=name, co_qualname=name), globals())


@pytest.mark.usefixtures("nothing_left_on")
@pytest.mark.parametrize("name", NAMES)
def test_a_call_is_found_by_its_name(name: str):
    func = renamed(name)
    with pyftrace.report(include="*", function=[glob(name)]) as report:
        assert func(name) == name
        original(name)
    assert report.calls(glob(name)) == 1
    assert [row.function for row in report.rows] == [name]
    assert lines_of(f"{report!r}\n{report}\n")[0] == "<Report: 1 function, 1 call>"
    check_html(report._repr_html_(), {shown(name)})
    out = io.StringIO()
    pyftrace.trace(func, include="*", args=True, value_length=80, file=out)(name)
    start, end = lines_of(out.getvalue())
    value = repr(name) if len(repr(name)) <= 80 else repr(name)[:77] + "..."
    line = original.__code__.co_firstlineno
    assert start.startswith(f"Called {shown(name)}:{line}(arg={value}) from ")
    assert end == f"Returning {shown(name)}-> {value}"


# ---- what we say ourselves -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ([f"{RED}.py"], 2),
        (["-d", RED, "app.py"], 2),
        ([f"--{RED}", "app.py"], 2),
        (["-o", f"{RED}/x", "app.py"], 2),
        (["record", "-o", f"{RED}/x", "app.py"], 2),
        (["replay", RED], 1),
        (["replay", ".", RED], 2),
        (["report", "--sort", RED], 2),
        (["graph", "--func", RED.replace("[", "?")], 1),
    ],
    ids=lambda value: " ".join(value).replace(RED, "RED") if isinstance(value, list) else "",
)
def test_a_refusal_is_one_harmless_line(words: list[str], status: int, recording: Path):
    found, out, err = traced(recording, *words)
    assert (found, out) == (status, "")
    (line,) = lines_of(err)
    assert line.startswith("pyftrace: ") and r"31m\x9b2J\u202ered\n" in line


ELSEWHERE = """\
def f(): pass
f = type(f)(f.__code__.replace(co_filename="<x>"), {{"__name__": {name}}}, {name})
f()
"""


def test_notes_are_harmless_lines(tmp_path: Path):
    (tmp_path / "app.py").write_text(ELSEWHERE.format(name=ascii(RED)))
    status, out, err = traced(tmp_path, "-f", RED.replace("[", "?") + "e", "app.py")
    assert (status, out) == (0, "Running script: app.py\n")
    unmatched = lines_of(err)[-1]
    assert r"nothing matched '\x1b?31m\x9b2J\u202ered\ne'" in unmatched
    (left_out,) = lines_of(traced(tmp_path, "app.py")[2])
    assert left_out.endswith(r" Try --include $'\x1b[31m\u009b2J\u202ered\n'")
    status, out, err = run(tmp_path, "app.py", PYFTRACE=f"--{RED}")
    assert (status, out, len(lines_of(err))) == (0, "", 1)


def words_of(command: str, cwd: Path) -> list[str]:
    """What a shell makes of a command that we show."""
    bash = shutil.which("bash") or pytest.skip("no bash")
    done = subprocess.run(
        [bash, "-c", f"printf '%s\\0' {command}"], cwd=cwd, capture_output=True, check=True,
        env=clean_environment(LC_ALL="C.UTF-8"),
    )  # fmt: skip
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]


def test_info_shows_the_command_as_it_was(folder: Path):
    words = [name for name in NAMES if "\0" not in name and "\ud800" not in name]
    words = ["app.py", *words, "\udcff", '""', "-x", "~", "end"]
    assert traced(folder, "record", "-q", "-o", "words", *words) == UNTRACED
    (line,) = [x for x in lines_of(traced(folder, "info", "words")[1]) if x.startswith("command ")]
    expected = ["pyftrace", "record", "--output=words", "--quiet", *words]
    assert words_of(line.removeprefix("command").lstrip(), folder) == expected
    about = strict(traced(folder, "info", "--json", "words")[1])
    assert about["facts"]["command"].endswith(' \udcff \\"" -x ~ end')


def test_files_of_any_name(tmp_path: Path):
    """A script, its folder, and a recording; the command to type next is right."""
    folder, script = tmp_path / ODD, f"{ODD}.py"
    folder.mkdir()
    (folder / script).write_text("def f(): pass\nf()\n")
    for encoding in ("utf-8", "ascii"):
        status, out, err = traced(folder, "-p", script, PYTHONIOENCODING=encoding)
        assert (status, err, len(lines_of(out))) == (0, "", 3)
    status, out, err = traced(folder, "record", "-o", ODD, script)
    (line,) = lines_of(err)
    assert (status, out) == (0, "")
    assert words_of(line.partition("to see them: ")[2], folder) == ["pyftrace", "replay", ODD]
    assert len(lines_of(traced(folder, "replay", "-p", ODD)[1])) == 2
    lines_of(traced(folder, "info", ODD)[1])
    start, _ = map(strict, lines_of(traced(folder, "dump", ODD)[1]))
    assert start["file"] == str(folder / script)


# ---- long ----------------------------------------------------------------------------------------

MEGABYTE = '["xx" + "\\u20ac\\u20ac\\u202e\\n" * 100_000]'  # cut where a character is not over
LINE = 100_000  # bytes: more than any line needs, far less than the name


def test_names_of_a_megabyte(tmp_path: Path):
    """Nothing grows with such names times events."""
    folder = write(tmp_path, MEGABYTE)
    words = ["-a", "--values", "safe"]
    tree = to_file(folder, "-t", *words)
    assert len(lines_of(tree)) == 14 and len(tree) < 14 * LINE
    assert traced(folder, "record", "-q", *words, "--callers", "app.py") == UNTRACED
    assert sum(file.stat().st_size for file in (folder / "pyftrace.data").iterdir()) < 10 * LINE
    assert DURATION.sub("", traced(folder, "replay")[1]) == DURATION.sub("", tree)
    for words in (["table"], ["json"], ["csv"]):
        for text in (
            to_file(folder, "--report", "--format", *words),
            traced(folder, "report", "--format", *words)[1],
        ):
            assert len(text) < 11 * LINE
    for words in (["graph"], ["dump"], ["dump", "--format", "raw"], ["info"]):
        assert len(traced(folder, *words)[1]) < 28 * LINE


@pytest.mark.parametrize(("format", "count"), [("table", 11), ("json", 8), ("csv", 7)])
def test_a_killed_program_reports_names_of_a_megabyte(format: str, count: int, tmp_path: Path):
    folder = write(tmp_path, MEGABYTE, "os.kill(os.getpid(), 15)")
    words = ["--report", "--columns", "all", "--format", format, "-o", "out", "app.py"]
    assert traced(folder, *words) == (-signal.SIGTERM, "", "after\n")
    text = (folder / "out").read_bytes().decode().replace("\r\n", "\n")
    assert len(lines_of(text)) == count
    assert format != "json" or len(strict(text)) == 6


@pytest.mark.usefixtures("nothing_left_on")
def test_a_name_of_a_megabyte_in_code():
    func = renamed("x" * 10**6)
    with pyftrace.report(include="*") as report:
        func(1)
    assert [row.function for row in report.rows] == ["x" * 4096]
    assert report.calls("xx*x") == 1
    with pytest.raises(LookupError):  # not 0, as for a function that was not called
        report.calls("x" * 5000)
    assert len(str(report)) < LINE and len(report._repr_html_()) < LINE
