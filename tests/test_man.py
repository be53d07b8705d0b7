"""docs/pyftrace.1, and the tables of docs/verbs, are what the command line takes, and no formatter
has anything against the page."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import clean_environment

import pyftrace
from pyftrace import cli, shells

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "pyftrace.1"
DOCS = sorted((ROOT / "docs").rglob("*.md"))


def output(*words: str) -> str:
    """What it prints, on both streams; it must end well."""
    done = subprocess.run(
        words,
        env=clean_environment(MANWIDTH="100", LC_ALL="C.UTF-8"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 or words[0] == "mandoc", done.stdout
    return done.stdout


def shown() -> str:
    """The page as it is read, without the marks for bold and underlined."""
    if not shutil.which("groff") or not shutil.which("man"):
        pytest.skip("no man here")
    return re.sub(r".\x08|\x1b\[[\d;]*m", "", output("man", "-l", "-P", "cat", str(PAGE)))


def made_anew(*page: str) -> str:
    return output(sys.executable, "-P", str(ROOT / "tools" / "make-man"), *page)


def test_the_page_is_up_to_date():
    assert made_anew() == PAGE.read_text()


@pytest.mark.parametrize("page", [page for page in DOCS if ": make man -->" in page.read_text()],
                         ids=lambda page: page.name)  # fmt: skip
def test_tables_in_docs_are_up_to_date(page: Path):
    assert made_anew(str(page)) == page.read_text()


def test_a_table_that_is_out_of_date_is_made_anew(tmp_path: Path):
    page = tmp_path / "info.md"
    page.write_text("a\n<!-- options: make man -->\n| `--old` | |\n<!-- end -->\nb\n")
    text = made_anew(str(page))
    assert "--old" not in text and "| `--json` | as one JSON object |" in text
    assert text.startswith("a\n<!-- options: make man -->\n") and text.endswith("<!-- end -->\nb\n")


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_a_page(verb: str):
    text = (ROOT / "docs" / "verbs" / f"{verb}.md").read_text()
    assert re.search(rf"^# {verb}$", text, re.M)
    parts = ("<!-- options: make man -->", "\n## Exit status\n")
    assert all(part in text for part in parts)


def test_every_public_name_is_in_the_api_reference():
    text = (ROOT / "docs" / "api.md").read_text()
    for name in pyftrace.__all__:
        assert name == "__version__" or re.search(rf"pyftrace\.{name}\b", text), name


def test_every_option_and_verb_has_an_entry():
    text = shown()
    for command in shells.commands():
        begin = f"   pyftrace {command.name} " if command.name else "OPTIONS\n"
        part = (text.partition("\nVERBS\n")[2] if command.name else text).partition(begin)[2]
        assert part, f"no part for {command.name}"
        part = re.split(r"^(?:   pyftrace \w|VERBS)", part, maxsplit=1, flags=re.M)[0]
        for option in [] if command.name == "tui" else command.options:  # they are record's
            value = f" {option.value.name}" if option.value else ""
            assert re.search(rf"^ +{re.escape(', '.join(option.names) + value)}( |$)", part, re.M)


def test_examples_keep_their_form():
    lines = {line.strip() for line in shown().splitlines()}
    for line in (*cli.EXAMPLES.splitlines(), *cli.RECORD_EXAMPLES.splitlines()):
        assert line.strip() in lines


@pytest.mark.parametrize(
    "words", [["man", "--warnings", "-l", "-P", "cat"], ["groff", "-man", "-ww", "-z"]]
)
def test_groff_warns_of_nothing(words: list[str]):
    shown()
    assert "warning:" not in output(*words, str(PAGE))
    assert words[0] == "man" or output(*words, str(PAGE)) == ""


def test_mandoc_warns_of_nothing():
    """But of the day of a version to come, which nobody knows."""
    if not shutil.which("mandoc"):
        pytest.skip("no mandoc here")
    found = output("mandoc", "-T", "lint", str(PAGE)).splitlines()
    unreleased = "(unreleased)" in (ROOT / "CHANGELOG.md").read_text().partition("\n- ")[0]
    assert [line for line in found if "missing date" not in line or not unreleased] == []
