"""Every example that help shows runs, on a recording that was made as help says."""

import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from conftest import Run, clean_environment

from pyftrace import cli, shells
from pyftrace.commands import tui

# What stands behind a | or before the first word, and is not tried: why not.
OTHERS = {
    "jq": "is not installed everywhere; the left side is tried",
    "flamegraph.pl": "is not Debian's; the left side is tried",
    "source": "is a shell's: tests/test_completion.py does that with each shell",
    "make": "what it starts is this folder's business; a Makefile that runs app.py",
}
APP = """\
import sys, time

class Parser:
    def parse(self, text):
        return query(text)

def query(text):
    time.sleep(0.006)
    return len(text)

def index(text):
    try:
        Parser().parse(text)
        raise ValueError(text)
    except ValueError:
        pass

if "long" in sys.argv:
    time.sleep(2.1)
for text in ("a", "bb", "ccc") * (1 + ("more" in sys.argv)):
    index(text)
print("done")
"""


def help_of(verb: str) -> str:
    if verb == "tui":
        return tui.HELP
    if verb in ("", "record"):
        return cli.record_help() if verb else cli.help_text()
    text: str = import_module(f"pyftrace.commands.{verb}").parser().format_help()
    return text


def examples() -> list[tuple[str, str]]:
    """(verb, command) as help shows them; what explains one begins behind two blanks."""
    found = []
    for verb in ("", *cli.VERBS):
        part = re.split(r"\n\n", help_of(verb).partition("Examples:\n")[2])[0]
        for line in part.splitlines():
            if line.startswith("  ") and not line.startswith("   "):
                command = re.split(r" {2,}| the same, kept ", line.strip())[0]
                found.append((verb, command))
    return found


EXAMPLES = examples()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: programs, and recordings of them."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("app.py", "script.py", "server.py"):
        (folder / name).write_text(APP)
    (folder / "package").mkdir()
    (folder / "package" / "__main__.py").write_text(APP)
    (folder / "app").mkdir()
    (folder / "run.sh").write_text(f"#!/bin/sh\nexec {sys.executable} app.py\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "Makefile").write_text("test:\n\t./run.sh\n")
    (folder / "bin").mkdir()
    for name, text in (
        ("pyftrace", f'#!/bin/sh\nexec {sys.executable} -m pyftrace "$@"\n'),
        ("pytest", f"#!{sys.executable}\nimport sys\nsys.path.insert(0, '')\nimport app\n"),
    ):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    records = ["pyftrace.data.old", "run.data", "before.data", "a1.data", "a2.data"]
    more = {"pyftrace.data": "long", "after.data": "more"}
    for name in (*records, *more, "b1.data", "b2.data", "b3.data"):
        command = f"pyftrace record -q -o {name} app.py {more.get(name, '')}"
        assert sh(folder, command).returncode == 0
    return folder


@pytest.fixture
def place(prepared: Path, tmp_path: Path) -> Path:
    """A copy."""
    return shutil.copytree(prepared, tmp_path / "place")


def sh(folder: Path, command: str) -> "CompletedProcess[str]":
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=clean_environment(PATH=path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def tried(command: str) -> str:
    """The part of it that is ours."""
    left, _, right = re.sub(r"source <\((.*)\)", r"\1 | source", command).partition(" | ")
    assert not right or shlex.split(right)[0] in OTHERS, f"{right}: not known"
    return left.strip().replace("/tmp/run.data", "env.data")


def test_every_verb_shows_examples():
    assert {verb for verb, _ in EXAMPLES} == {"", *cli.VERBS}
    assert all("pyftrace" in command.lower() for _, command in EXAMPLES)


@pytest.mark.parametrize(("verb", "command"), EXAMPLES, ids=[c for _, c in EXAMPLES])
def test_the_example_runs(verb: str, command: str, place: Path):
    if "record make" in command and not shutil.which("make"):
        pytest.skip("no make here")
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    done = sh(place, tried(command))
    if verb == "tui":  # tests/test_tui.py has terminals
        assert done.returncode == 2 and done.stderr.startswith("pyftrace: tui needs ")
        return
    limit = verb == "diff" and "--max-" in command  # which is exceeded
    assert done.returncode == (3 if limit else 0), done.stderr
    unkept = re.compile(r"warning: |nothing matched|no calls in scope|cannot|no function")
    assert not unkept.search(done.stderr), done.stderr
    after = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    assert done.stdout or limit or after != before, "neither output nor a file"


@pytest.mark.parametrize("verb", ["", *cli.VERBS])
def test_help_has_one_form(verb: str, pyftrace: Run):
    words = [verb] if verb else []
    done = pyftrace(*words, "--help")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", help_of(verb))
    assert pyftrace(*words, "-h").stdout == done.stdout
    text = done.stdout
    usage = f"Usage: pyftrace {verb} [options] " if verb else "Usage: pyftrace [options] TARGET"
    assert usage in text and "\n\nExamples:\n" in text and not text.endswith("\n\n")
    assert "\n  -h, --help " in text
    headings = [line for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert all(re.fullmatch(r"[A-Z][\w ]+( \(.*\))?:", line) for line in headings), headings


def test_every_option_says_what_it_does():
    for command in shells.commands():
        assert all(option.what for option in command.options), command.name
