"""Every example does what the comment block at its end says, character for character.

A block is `# $ command` and below it the output; an empty line that is not a comment ends it, so
that text may stand between blocks. Compared exactly but for durations, the times of the report
and the line numbers inside the standard library, which differ from run to run or version to
version: these are replaced on both sides (see normalise).
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"

COMMANDS = {
    "python": [sys.executable],
    "pyftrace": [sys.executable, "-m", "pyftrace"],
}


class Block(NamedTuple):
    file: str
    command: str
    expected: str


def blocks_of(file: str, source: str) -> list[Block]:
    """The commands in a file's comments, each with the output written below it."""
    found: list[Block] = []
    command, output = "", list[str]()
    for line in [*source.splitlines(), ""]:
        starts = line.startswith("# $ ")
        if command and (starts or not line.startswith("#")):
            text = "\n".join(output).rstrip("\n") + "\n"
            found.append(Block(file, command, text))
            command = ""
        if starts:
            command, output = line.removeprefix("# $ "), []
        elif command:
            output.append(line.removeprefix("#").removeprefix(" "))
    return found


def normalise(text: str) -> str:
    text = re.sub(r"\[\d[\d.]* (ns|us|ms|s)\]", "[TIME]", text)
    text = re.sub(r"\b\d+\.\d{6} seconds", "N.NNNNNN seconds", text)
    return re.sub(r"from (events|threading)\.py:\d+", r"from \1.py:LINE", text)


def environment() -> dict[str, str]:
    unwanted = ("PYTHONUNBUFFERED", "PYFTRACE", "NO_COLOR")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


BLOCKS = [
    block
    for path in sorted(EXAMPLES.rglob("*.py"))
    for block in blocks_of(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy elsewhere: in a clone's root the folder pyftrace/ hides the installed package."""
    root = tmp_path_factory.mktemp("clone")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(EXAMPLES, root / "examples", ignore=ignored)
    return root


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.file}: {block.command}")
def test_output_is_as_the_comment_says(block: Block, unbuffered: str, examples: Path) -> None:
    program, *arguments = shlex.split(block.command)
    done = subprocess.run(
        [*COMMANDS[program], *arguments],
        cwd=examples,
        env=environment() | {"PYTHONUNBUFFERED": unbuffered},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert normalise(done.stdout) == normalise(block.expected)
    assert (done.stderr, done.returncode) == ("", 0)


def test_every_program_has_a_block() -> None:
    programs = {*EXAMPLES.glob("*.py"), *EXAMPLES.glob("talk/*.py"), EXAMPLES / "modules/main.py"}
    assert {str(path.relative_to(ROOT)) for path in programs} == {block.file for block in BLOCKS}


def test_a_block_ends_at_a_line_that_is_no_comment() -> None:
    source = "x = 1\n\n# $ pyftrace a.py\n# one\n#\n#     two\n\n# text\n# $ python b.py\n# three"
    assert blocks_of("a.py", source) == [
        Block("a.py", "pyftrace a.py", "one\n\n    two\n"),
        Block("a.py", "python b.py", "three\n"),
    ]
