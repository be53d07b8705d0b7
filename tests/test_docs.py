"""What the documentation shows is what happens: every command and every example of it is run."""

import re
from collections import Counter
from pathlib import Path

import pages
import pytest
from pages import ROOT, Block, blocks_of, check, commands_of, kind_of

from pyftrace import cli, pytest_plugin, shells

PAGES = pages.pages()


@pytest.mark.parametrize("page", PAGES)
def test_what_the_page_shows_happens(page: str, tmp_path: Path):
    wrong = check(page, PAGES[page], tmp_path)
    if wrong:
        pytest.fail("\n\n".join(wrong), pytrace=False)


# ---- the check notices ---------------------------------------------------------------------------

RIGHT = [
    "    $ echo one; echo two\n    one\n    two\n",
    "```console\n$ echo 3 calls\n...\n3 calls\n...\n```\n",
    "    $ printf 'f  [12.3 us]\\n'\n    f  [1 ms]\n",
    "    $ echo 'one\n    two'\n    one\n    two\n",
    "    $ echo one \\\n    >   two\n    one two\n",
    "    $ cd examples\n    $ ls shop/shop.py\n    shop/shop.py\n",
    "<!-- before: touch x; cd examples -->\n\n    $ ls ../x\n    ../x\n",
    "<!-- status: 3 -->\n    $ exit 3\n",
    "<!-- not compared: a try -->\n    $ echo 1\n    2\n",
    "<!-- in any order: a try -->\n    $ echo 1; echo 2\n    2\n    1\n",
    "<!-- not run: a try -->\n\n    what it says\n",
    "<!-- console: examples/shop -->\n    $ ls test_shop.py\n    test_shop.py\n",
    "<!-- options: make man -->\n\n    pyftrace VERB [options]\n",
    "    pyftrace --version    which it is\n    pyftrace completion fish | source\n",
    "    pyftrace --version    # which\n    PYFTRACE=off python -c 'pass'\n",
    "    make test PYTHON=x    # all of it\n    ARGS='a b' tools/matrix bench\n",
    "```python\npyftrace.trace(len)([])\n```\n",
    "<!-- given: x = 1 -->\n\n    assert x == 1\n",
    "    def test_it(calls):\n        calls.none('json.dumps', missing_ok=True)\n",
    "```pycon\n>>> 1 + 1\n2\n```\n",
    "```text\nanything\n```\n",
    "- a list\n\n      with what looks like a block\n",
]
WRONG = {
    "    $ echo one\n    two\n": "-two\n+one",
    "    $ echo one\n": "+one",
    "    $ echo 3 calls\n    4 calls\n": "-4 calls\n+3 calls",
    "    $ echo one\n    one\n    ...\n    two\n": "-two",
    "    $ echo '[12.3 us]'\n    [12.3]\n": "-[12.3]\n+[TIME]",
    "<!-- not compared: a try -->\n    $ false\n": "exit 1, not 0",
    "<!-- in any order: a try -->\n    $ echo 1; echo 2\n    2\n    2\n": "+1",
    "<!-- status: 3 -->\n    $ true\n": "exit 0, not 3",
    "<!-- before: false -->\n    $ true\n": "what is done before: exit 1",
    "    $ cd nowhere\n": "no such folder",
    "    pyftrace --verison\n": "exit 2, not 0",
    "    make tset\n": "no tset",
    "    tools/martix all\n": "no tools/martix",
    "    pip install 'pyftrace[tiu]'\n": "no tiu",
    "<!-- not run: tests/NAME.py has it -->\n\n    $ false\n": "no tests/NAME.py",
    "    what it says\n": "neither run nor exempt",
    "<!-- not-run: misspelt -->\n\n    what it says\n": "neither run nor exempt",
    "```text\nwith\n$ ls\n```\n": "neither run nor exempt",
    "```console\nls\n```\n": "no command in it",
    "    assert 1 == 2\n": "AssertionError",
    "```python\nassert 1 == 2\n```\n": "AssertionError",
    "    def test_it(calls):\n        calls.none('json.dmups')\n": "no loaded function matches",
    "```pycon\n>>> 1 + 1\n3\n```\n": "Expected:",
}


@pytest.mark.parametrize("source", RIGHT)
def test_what_is_right_passes(source: str, tmp_path: Path):
    assert len(blocks_of(source)) == (not source.startswith("-"))
    assert check("a.md", f"Text.\n\n{source}", tmp_path) == []


def test_a_page_that_is_wrong_is_left_as_it_would_be_right(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(pages, "ACTUAL", tmp_path / "actual")
    source = """\
Text.

    $ echo '1
      2'
    3
    $ echo 4
    4
    $ echo; echo 5
    6
    7

- ```console
  $ echo 8; echo 9
  ```
"""
    assert len(check("docs/NAME.md", source, tmp_path)) == 3
    right = (tmp_path / "actual" / "docs" / "NAME.md").read_text()
    assert "    3\n" not in right and "\n\n    5\n\n- ``" in right
    assert "  $ echo 8; echo 9\n  8\n  9\n  ```" in right
    assert check("a.md", right, tmp_path / "again") == []


@pytest.mark.parametrize("source", WRONG)
def test_what_is_wrong_is_found_with_its_line(source: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(pages, "ACTUAL", tmp_path / "actual")
    (wrong,) = check("a.md", f"Text.\n\n{source}\nText.\n", tmp_path)
    assert WRONG[source] in wrong
    assert re.match(r"a\.md:[3-6]: ", wrong)


# ---- the README in Korean ------------------------------------------------------------------------


def code_of(block: Block) -> list[str]:
    """Its lines, without comments, which are translated."""
    kind = kind_of(block)
    if kind == "console":
        shown = [(uncommented(c.text), c.output.strip()) for c in commands_of(block, kind)]
        return [line for command in shown for line in command]
    return [uncommented(line) for line in block.text.split("\n")]


def uncommented(line: str) -> str:
    return re.sub(r"(^|\s+)# .*", "", line)


def prose_of(source: str) -> str:
    """Without blocks and comments."""
    prose = re.sub(r"<!--.*?-->|^ *(```+|~~~+).*?^ *\1", "", source, flags=re.S | re.M)
    return re.sub(r"^ {4}.*$", "", prose, flags=re.M)


def code_in(prose: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose)


def shape_of(source: str) -> dict[str, object]:
    """What two READMEs in different languages have in common."""
    prose = prose_of(source)
    return {
        "headings": [len(marks) for marks in re.findall(r"^(#+) ", prose, re.M)],
        "rows of tables": [row.count("|") for row in re.findall(r"^\|.*", prose, re.M)],
        "links": Counter(re.findall(r"\]\(([^)]*)\)", prose)),
        "code in the text": Counter(code_in(prose)),
        "code": [code_of(block) for block in blocks_of(source)],
    }


def test_the_readmes_have_the_same_code_links_and_headings():
    korean = (ROOT / "README.ko.md").read_text("utf-8")
    ours, theirs = shape_of(PAGES["README.md"]), shape_of(korean)
    assert ours["links"]["README.ko.md"] == theirs["links"].pop("README.md") == 1
    theirs["links"]["README.ko.md"] = 1
    for what in ours:
        assert theirs[what] == ours[what], what


# ---- the text ------------------------------------------------------------------------------------

OF_OTHERS = {
    "--countname": "flamegraph.pl",
    "--no-libcall": "uftrace",
    "--junitxml --pyargs --show-capture --tb": "pytest",
    "--tags": "git",
    "--no-": "stands for several",
}


def known_options() -> set[str]:
    known = {name for command in shells.commands() for o in command.options for name in o.names}
    known |= {f"--{name}" for name, *_ in pytest_plugin.OPTIONS}
    known |= {"--no-pyftrace-args", "--pyftrace-update"}
    return known.union(*(names.split() for names in OF_OTHERS))


@pytest.mark.parametrize("page", PAGES)
def test_options_and_verbs_in_the_text_exist(page: str):
    words = "\n".join(code_in(prose_of(PAGES[page])))
    assert set(re.findall(r"(?<![\w-])--\w[\w-]*", words)) - known_options() == set()
    assert set(re.findall(r"^pyftrace ([a-z]+)(?![\w./])", words, re.M)) - {*cli.VERBS} == set()
