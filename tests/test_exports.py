"""What every format of `pyftrace dump` keeps to; what each one means is in test_export_*.py."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import hostile
import pytest
from conftest import clean_environment

from pyftrace.exports import FORMATS

Run = Callable[..., "CompletedProcess[str]"]
DOCS = Path(__file__).resolve().parent.parent / "docs" / "exports.md"
BY_NAME = [name for name, row in FORMATS.items() if row.to == "path"]
STREAMED = [name for name in FORMATS if name not in BY_NAME]


def dump(pyftrace: Run, name: str, *words: str) -> "CompletedProcess[str]":
    """Into `out`, which is not there yet."""
    return pyftrace("dump", "--format", name, "-o", "out", *words)


def size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of names made to do harm."""
    folder = hostile.write(tmp_path_factory.mktemp("evil"))
    words = [sys.executable, "-m", "pyftrace", "record", "-q", "--args", "--values=safe", "app.py"]
    assert subprocess.run(words, cwd=folder, capture_output=True).returncode == 3
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_a_recording_without_calls(name: str, pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("pass\n")
    pyftrace("record", "-q", "app.py")
    done = dump(pyftrace, name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "out").exists()


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_names_bring_no_message_and_no_order_for_a_terminal(
    name: str, evil: Path, pyftrace: Run, tmp_path: Path
):
    done = dump(pyftrace, name, str(evil / "pyftrace.data"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert size(tmp_path / "out") > 0
    if FORMATS[name].to == "text":
        text = (tmp_path / "out").read_bytes().decode()
        assert not hostile.HOSTILE.search(text.replace("\r\n", "").replace("\n", ""))


@pytest.mark.parametrize("name", FORMATS)
def test_a_part_is_less(name: str, pyftrace: Run, tmp_path: Path):
    """-e leaves calls out of every format."""
    lines = [f"def f{i}(): pass\nf{i}()" for i in range(200)]
    (tmp_path / "app.py").write_text("\n".join(lines))
    pyftrace("record", "-q", "app.py")
    dump(pyftrace, name)
    whole = size(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "whole")
    done = dump(pyftrace, name, "-e", "f1*")
    assert (done.returncode, done.stderr) == (0, "")
    assert size(tmp_path / "out") < whole


@pytest.mark.parametrize("name", FORMATS)
def test_where_it_cannot_be_written(name: str, pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("def f(): pass\nf()\n")
    pyftrace("record", "-q", "app.py")
    done = pyftrace("dump", "--format", name, "-o", "no/such/folder")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("pyftrace: cannot write no/such/folder: ")


@pytest.mark.parametrize("name", STREAMED)
def test_a_full_disk_is_said(name: str, pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("def f(): pass\nf()\n")
    pyftrace("record", "-q", "app.py")
    done = pyftrace("dump", "--format", name, "-o", "/dev/full")
    assert done.returncode == 1
    assert re.fullmatch(r"pyftrace: cannot write.*: No space left on device\n", done.stderr)


@pytest.mark.parametrize("name", BY_NAME)
def test_what_is_written_by_name_needs_one(name: str, pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("pass\n")
    pyftrace("record", "-q", "app.py")
    done = pyftrace("dump", "--format", name)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"pyftrace: --format {name} is written by name: use -o\n"


@pytest.mark.parametrize("name", STREAMED)
def test_standard_output_gets_what_a_file_does(name: str, pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("def f(): pass\nf()\n")
    pyftrace("record", "-q", "app.py")
    dump(pyftrace, name)
    words = [sys.executable, "-m", "pyftrace", "dump", "--format", name]
    done = subprocess.run(words, cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, (tmp_path / "out").read_bytes())


def test_the_documentation_has_every_format():
    rows = re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), re.M)
    assert rows == list(FORMATS)


def test_every_format_has_its_file_or_its_sink():
    here = Path(sys.modules["pyftrace.exports"].__file__ or "").parent
    files = {os.path.splitext(name)[0] for name in os.listdir(here) if name.endswith(".py")}
    assert {name for name in files if not name.startswith("_")} == {
        name for name, row in FORMATS.items() if not row.sink
    }
