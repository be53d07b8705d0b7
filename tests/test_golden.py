"""Golden cases: tests/golden/NAME/ holds a program, a command and the text as a user sees it.

prog.py is the program; other files beside it are its modules. `cmd` is one line: settings of the
environment (NAME=value), then pyftrace's arguments; {prog} is prog.py. expected.txt is standard
output, then, where there is any, `--- file NAME` for each file that pyftrace wrote, `--- stderr`
and `--- status N`; a line `...` under `--- stderr` stands for any lines.

The case runs in a copy of its folder. Numbers that no run repeats are replaced on both sides: see
NORMALISERS, chosen by the command. When a case fails, what came is left in `actual/NAME.txt`
beside the cases, so that accepting it is a copy.
"""

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parent / "golden"
ACTUAL = GOLDEN / "actual"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/cmd"))

UNWANTED = ("PYTHONUNBUFFERED", "PYFTRACE", "NO_COLOR")


def normalise_tree(text: str) -> str:
    """Durations, addresses, and line numbers inside the standard library."""
    text = re.sub(r"\[\d[\d.]* (ns|us|ms|s)\]", "[TIME]", text)
    text = re.sub(r"0x[0-9a-f]{6,}", "0xADDRESS", text)
    modules = "events|threading|contextlib|functools"
    return re.sub(rf"from ({modules})\.py:\d+", r"from \1.py:LINE", text)


def normalise_table(text: str) -> str:
    """Times in seconds; the padding that depends on their width is kept to one blank."""
    text = re.sub(r"\d+\.\d{6}(\d{3})? seconds", "TIME seconds", text)
    return re.sub(r" +\|", " |", text)


def normalise_json(text: str) -> str:
    """Times become whether there is one; the absolute folder goes; keys keep their order."""
    rows = json.loads(text)
    for row in rows:
        row["file"] = os.path.basename(row["file"])
        for key in row:
            if key.endswith("_ns"):
                row[key] = "positive" if row[key] > 0 else row[key]
    return "".join(json.dumps(row) + "\n" for row in rows)


def normalise_csv(text: str) -> str:
    """As JSON: the cells whose column ends in _ns, and the folder of the file."""
    rows = list(csv.reader(io.StringIO(text)))
    for row in rows[1:]:
        for i, key in enumerate(rows[0]):
            if key.endswith("_ns"):
                row[i] = "positive" if int(row[i]) > 0 else row[i]
            elif key == "file":
                row[i] = os.path.basename(row[i])
    return "".join(",".join(row) + "\n" for row in rows)


NORMALISERS: dict[str, Callable[[str], str]] = {
    "tree": normalise_tree,
    "table": normalise_table,
    "json": normalise_json,
    "csv": normalise_csv,
}


def kind_of(cmd: str) -> str:
    if "--format" in cmd:
        return cmd.split("--format", 1)[1].strip(" =").split()[0]
    return "table" if "--report" in cmd else "tree"


def run(case: str, folder: Path) -> str:
    """The case's outcome in the layout of expected.txt."""
    source = GOLDEN / case
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    before = {path.name for path in folder.iterdir()}
    words = shlex.split((folder / "cmd").read_text(encoding="utf-8").format(prog="prog.py"))
    environment = {k: v for k, v in os.environ.items() if k not in UNWANTED}
    while words and re.match(r"[A-Z]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        if name == "PYTHONPATH" and name in environment:  # it may be how pyftrace itself is found
            value += os.pathsep + environment[name]
        environment[name] = value
    done = subprocess.run(
        [sys.executable, "-m", "pyftrace", *words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    text = done.stdout
    for path in sorted(folder.iterdir()):
        if path.name not in before and path.is_file():
            text += f"--- file {path.name}\n{path.read_text(encoding='utf-8')}"
    if done.stderr:
        text += f"--- stderr\n{done.stderr}"
    if done.returncode:
        text += f"--- status {done.returncode}\n"
    return text.replace(str(folder), "{dir}")


def as_pattern(expected: str) -> str:
    """A regular expression: the text itself, with `...` lines for any lines in standard error."""
    head, mark, tail = expected.partition("--- stderr\n")
    return re.escape(head + mark) + re.escape(tail).replace(r"\.\.\." + "\\\n", r"(?:.*\n)*?")


def outcome(case: str, folder: Path) -> tuple[str, str]:
    """What is expected and what came, both normalised."""
    expected = (GOLDEN / case / "expected.txt").read_text(encoding="utf-8")
    actual = run(case, folder)
    normalise = NORMALISERS[kind_of((GOLDEN / case / "cmd").read_text(encoding="utf-8"))]
    return normalise(expected), normalise(actual)


@pytest.mark.parametrize("case", CASES)
def test_output_is_as_expected(case: str, tmp_path: Path) -> None:
    folder = tmp_path / case
    try:
        expected, actual = outcome(case, folder)
    except ValueError:  # what came is not even JSON or CSV
        shutil.rmtree(folder)
        expected, actual = "text that can be read", run(case, folder)
    came = ACTUAL / f"{case}.txt"
    if re.fullmatch(as_pattern(expected), actual):
        came.unlink(missing_ok=True)
        return
    ACTUAL.mkdir(exist_ok=True)
    shutil.rmtree(folder)
    came.write_text(run(case, folder), encoding="utf-8")
    assert actual == expected


def test_each_case_is_whole() -> None:
    assert len(CASES) >= 40
    for case in CASES:
        assert (GOLDEN / case / "expected.txt").is_file(), case


def test_durations_and_lines_of_the_library_are_normalised() -> None:
    line = "Called f:1 from threading.py:992  [12.3 us]"
    assert normalise_tree(line) == "Called f:1 from threading.py:LINE  [TIME]"
    assert normalise_tree("Called f:1 from line 992") == "Called f:1 from line 992"
    assert normalise_table("foo     | 0.000029 seconds      | 1") == "foo | TIME seconds | 1"


def test_dots_in_standard_error_stand_for_any_lines() -> None:
    pattern = as_pattern("a.b\n--- stderr\n...\nlast\n--- status 1\n")
    assert re.fullmatch(pattern, "a.b\n--- stderr\none\ntwo\nlast\n--- status 1\n")
    assert not re.fullmatch(pattern, "axb\n--- stderr\none\nlast\n--- status 1\n")
