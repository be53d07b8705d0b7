"""Code blocks of the documentation's pages: found, run, and compared with what the page shows.

A block is fenced, or indented by four blanks outside of a list. What it is says the fence's word
(console, sh, python, pycon; any other: no commands), or else its first lines:

- console, `$ ` first: commands, below each its output, which is compared (see MASKS); a line `...`
  stands for any lines. `cd` holds for the rest of the page.
- sh, a known command first in every line: commands, of which the exit status is looked at; two
  blanks end one, what it is for may follow.
- python: run; if it has tests, by pytest. pyftrace is imported.
- pycon, `>>> ` first: a doctest.

A page is one session: its blocks run in order in one folder, in which are a copy of examples/ and
what lies in tests/docs/PAGE/. What a reader need not see stands in HTML comments, above a block:

    <!-- before: SHELL COMMANDS -->     <!-- given: PYTHON, before the block's -->
    <!-- status: 1 -->                  of the block's last command
    <!-- not compared: WHY -->          <!-- not run: WHY -->
    <!-- in any order: WHY -->          the lines of an output
    <!-- ANYTHING: make man -->         not run: tests/test_man.py compares it

and at the page's beginning: <!-- console: examples/shop -->, the folder where it is.

No library does this: what there is (sybil, mktestdocs, pytest-markdown-docs) knows fences and no
shell sessions, or (cram, byexample) has a runner of its own; the suite has nothing but pytest on
most Pythons.
"""

import ast
import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ACTUAL = ROOT / "tests" / "docs" / "actual"

WORDS = {"sh": "sh", "bash": "sh", "shell": "sh", "console": "console", "shell-session": "console"}
WORDS |= {"python": "python", "py": "python", "pycon": "pycon"}
ITEM = r"(?:[-*+]|\d+[.)]) "  # of a list
# What begins a command in a block that has no word.
SETTING = re.compile(r"""([A-Z_]+=('[^']*'|"[^"]*"|\S*) +)*""")
COMMANDS = re.compile(
    rf"{SETTING.pattern}(pyftrace|python|pytest|uftrace|sqlite3|pip|make|source|"
    r"(\./|tools/|\.ci/)\S+)( |$)"
)
# Commands that are not run, and why not.
EXEMPT = {
    r"make ": "builds in a checkout, for hours some of it; it is looked that the target is there",
    r"tools/|\.ci/": "likewise; it is looked that the file is there",
    r"pip install ": "needs the network; tools/try-wheel installs a wheel and runs the README's",
    r"source <\(|.*\| source$": "is a shell's: tests/test_completion.py does that with each shell",
    r"pyftrace tui": "needs a terminal: tests/test_tui.py has some",
    r"uftrace tui": "needs a terminal; `make viewers` tries uftrace's other commands",
}
# Programs that are not everywhere. Without them what stands left of their | is run, and not
# compared; `make viewers` has all of them.
OTHERS = ("jq", "sqlite3", "uftrace")

# What differs from run to run, machine to machine or version to version, on both sides.
# Everything else, counts of calls for one, is compared as it stands.
MASKS = [
    (r"(?<![\w./:])/(?:[\w.@+-]+/)+(?=[\w.])", "/"),  # the folders of an absolute path
    (r"[+-]?\d(?:[\d.,]*\d)? ?(?:ns|us|ms|s|seconds|min)\b", "TIME"),
    (r"\d(?:[\d.,]*\d)? ?(?:B|[KMG]iB|[kKMG]B|bytes)\b", "SIZE"),
    (r"[+-]?\d[\d.]* ?%", "N%"),
    (r"TIME -> TIME( \(N%\))?", "TIME"),  # a difference that may be none
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"\b\d\d:\d\d:\d\d(?:\.\d+)?", "CLOCK"),
    (r"(\bpid |\bprocess |ring\.|\.data\.|^\[(?=\d+[] ]))\d+", r"\1PID"),
    (r"\b\d+\.\d+\.\d+[\w.+]*", "VERSION"),
    (r"\b0x[0-9a-f]+", "ADDRESS"),
    (r'("(?:t|pid|tid|\w+_ns)": )-?\d+', r"\1N"),
    (r"\b(events|runners|threading|thread)\.py:\d+", r"\1.py:LINE"),  # the standard library's
    (r"([-=_])\1{3,}", r"\1\1\1\1"),  # rules are as long as columns are wide
    (r"(?<=\S) {2,}", "  "),  # and columns as wide as what is masked
    (r"^ +(?=TIME|SIZE)", ""),
]
# Of the environment: what a reader at a terminal has not set.
UNSET = re.compile("PYTEST_|COV_|PYFTRACE|NO_COLOR|PYTHON(UNBUFFERED|PATH|STARTUP|DONTWRITE)")


# ---- what a page holds ---------------------------------------------------------------------------


class Block(NamedTuple):
    line: int  # in the page, from 1
    word: str  # the fence's
    text: str
    notes: dict[str, str]  # of the comments above it


class Command(NamedTuple):
    line: int
    text: str
    output: str


def blocks_of(page: str) -> list[Block]:
    """The code blocks of a page's source, each with the comments that belong to it."""
    found: list[Block] = []
    notes: dict[str, str] = {}
    lines = page.expandtabs(4).split("\n")
    at, blank, in_list = 0, True, False
    while at < len(lines):
        line, start = lines[at], at
        fence = re.match(rf" *({ITEM})? *(`{{3,}}|~{{3,}}) *([^`]*)$", line)
        if fence:
            at = closing(lines, at, fence[2])
            text = undented(lines[start + 1 : at], fence.start(2))
            found.append(Block(start + 1, fence[3].strip(), text, notes))
            notes, in_list = {}, in_list or bool(fence[1])
        elif line.startswith("    ") and blank and not in_list:
            while at + 1 < len(lines) and not lines[at + 1][:4].strip():
                at += 1
            text = undented(lines[start : at + 1], 4).rstrip("\n")
            found.append(Block(start + 1, "", text, notes))
            notes = {}
        elif line.startswith("<!--"):
            while "-->" not in lines[at] and at + 1 < len(lines):
                at += 1
            comment = "\n".join(lines[start : at + 1]).partition("-->")[0]
            said = re.match(
                r"<!-- (before|given|status|in any order|not compared|not run):", comment
            )
            if said:
                notes[said[1]] = comment[said.end() :].strip()
            elif comment.endswith(": make man "):
                notes["not run"] = "tests/test_man.py"
        elif line.strip():
            notes = {}
            in_list = bool(re.match(ITEM, line)) or (in_list and line[0] == " ")
        blank = not lines[at].strip() or line.startswith("<!--")
        at += 1
    return found


def closing(lines: list[str], at: int, fence: str) -> int:
    for end in range(at + 1, len(lines)):
        if re.fullmatch(rf" *{fence}{fence[0]}* *", lines[end]):
            return end
    return len(lines) - 1


def undented(lines: list[str], by: int) -> str:
    return "\n".join(line[by:] if not line[:by].strip() else line for line in lines)


def kind_of(block: Block) -> str:
    """console, sh, python, pycon, text, or nothing where that cannot be told."""
    word = re.sub(r"^\{code(-block)?\} *", "", block.word).split(" ")[0]
    first, *_ = block.text.lstrip().split("\n")
    if "not run" in block.notes:
        return "text"
    if word in WORDS:
        return WORDS[word]
    if word:
        missed = re.search(r"^(\$|>>>) ", block.text, re.M) or first.startswith("pyftrace ")
        return "" if missed else "text"
    if first.startswith("$ "):
        return "console"
    if first.startswith(">>> "):
        return "pycon"
    if all(COMMANDS.match(command.text) for command in commands_of(block, "sh")):
        return "sh"
    try:
        ast.parse(block.text)
    except SyntaxError:
        return ""
    return "python"


def commands_of(block: Block, kind: str) -> list[Command]:
    """A block's commands: over several lines where a quote or a backslash says so."""
    found: list[Command] = []
    lines = block.text.split("\n")
    for number, line in enumerate(lines, block.line + bool(block.word)):
        if found and unfinished(found[-1]):
            last = found.pop()
            more = line.removeprefix("> ") if kind == "console" else line
            found.append(last._replace(text=f"{last.text}\n{more}"))
        elif kind == "sh" and line.strip() and not line.startswith("#"):
            found.append(Command(number, re.split(r" {2,}", line.strip())[0], ""))
        elif kind == "console" and line.startswith("$ "):
            found.append(Command(number, line.removeprefix("$ "), ""))
        elif kind == "console" and found:
            last = found.pop()
            found.append(last._replace(output=f"{last.output}{line}\n"))
    return found


def unfinished(command: Command) -> bool:
    if command.output:
        return False
    try:
        shlex.split(command.text, comments=True)
    except ValueError:
        return True
    return command.text.endswith("\\")


def mask(text: str) -> list[str]:
    """The lines of it, without what may differ."""
    lines = []
    for line in text.rstrip().split("\n"):
        for pattern, put in MASKS:
            line = re.sub(pattern, put, line)
        lines.append(line.rstrip())
    return lines


def alike(shown: list[str], printed: list[str]) -> bool:
    """Whether they are equal, `...` in what is shown being any lines."""
    any_lines = r"(?:.*\n)*"
    parts = [any_lines if line.strip() == "..." else re.escape(f"{line}\n") for line in shown]
    return bool(re.fullmatch("".join(parts), "".join(f"{line}\n" for line in printed)))


# ---- running it ----------------------------------------------------------------------------------


class Session:
    """A reader at a terminal, who goes through a page from its top. Each command has a shell of
    its own."""

    def __init__(self, home: Path, page: str, folder: str, others: bool) -> None:
        """`others`: programs that are not everywhere have to be here."""
        self.page, self.others = page, others
        self.otherwise: list[tuple[Command, str]] = []  # and what they printed
        self.root = home.resolve() / "work"
        self.folder = self.root / folder
        ignored = shutil.ignore_patterns("__pycache__", "pyftrace.data*")
        shutil.copytree(ROOT / "examples", self.root / "examples", ignore=ignored)
        files = ROOT / "tests" / "docs" / page.removeprefix("docs/").removesuffix(".md")
        if files.is_dir():
            shutil.copytree(files, self.folder, dirs_exist_ok=True)
        bin = home / "bin"
        bin.mkdir()
        # As they are installed: a wrapper that is no Python program would not be one to pyftrace.
        console = "import sys\nfrom {} import main\nsys.exit(main())\n"
        for name, module in (("pyftrace", "pyftrace.__main__"), ("pytest", "pytest")):
            self.install(bin / name, f"#!{sys.executable}\n" + console.format(module))
        for name in ("python", "python3"):
            self.install(bin / name, f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        self.environment = {n: v for n, v in os.environ.items() if not UNSET.match(n)}
        self.environment |= {
            "PATH": f"{bin}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(home),
            "COLUMNS": "80",
            "LANG": "C.UTF-8",
            "PYTEST_ADDOPTS": "-p no:cacheprovider",
        }

    @staticmethod
    def install(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def sh(self, command: str) -> tuple[int, str]:
        """A signal is 128 and its number, as users see it."""
        return self.run(["sh", "-c", f"{command}\nexit $?"])

    def run(self, words: list[str]) -> tuple[int, str]:
        """Exit status, and what a terminal would show."""
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=120,
        )
        return done.returncode, done.stdout

    def go_through(self, block: Block) -> list[str]:
        """Runs a block; what is wrong with it, a text each."""
        kind = kind_of(block)
        if kind == "text":
            named = re.findall(r"tests/\w+\.py", block.notes.get("not run", ""))
            return [self.wrong(block.line, f"no {n}") for n in named if not (ROOT / n).exists()]
        if not kind:
            return [self.wrong(block.line, "is neither run nor exempt: see tests/pages.py")]
        if "before" in block.notes:
            status, printed = self.sh(f"set -e\n{block.notes['before']}\npwd")
            if status:
                return [self.wrong(block.line, f"what is done before: exit {status}\n{printed}")]
            self.folder = Path(printed.split("\n")[-2])
        if kind in ("python", "pycon"):
            return self.python(block, kind)
        found = []
        commands = commands_of(block, kind)
        if not commands:
            found.append(self.wrong(block.line, "no command in it"))
        for command in commands:
            status = int(block.notes.get("status", 0)) if command == commands[-1] else 0
            notes = {"not compared": "", **block.notes} if kind == "sh" else block.notes
            found += self.command(command, status, notes)
        return found

    def command(self, command: Command, status: int, notes: dict[str, str]) -> list[str]:
        text = command.text
        if text.startswith("cd "):
            self.folder = (self.folder / text.removeprefix("cd ")).resolve()
            there = self.folder.is_dir() and self.folder.is_relative_to(self.root)
            return [] if there else [self.wrong(command.line, f"{text}: no such folder")]
        if re.match("|".join(EXEMPT), SETTING.sub("", text, count=1)):
            return self.is_there(command)
        here = text if self.others else without_others(text)
        if not here:
            return []
        got, printed = self.sh(here)
        if got != status:
            return [self.wrong(command.line, f"{here}: exit {got}, not {status}\n{printed}")]
        if "not compared" in notes or here != text:
            return []
        order = sorted if "in any order" in notes else list
        shown, ours = order(mask(command.output)), order(mask(printed))
        if alike(shown, ours):
            return []
        self.otherwise.append((command, printed))
        difference = difflib.unified_diff(shown, ours, "page", "run", lineterm="", n=99)
        return [self.wrong(command.line, "\n".join([text, *difference]))]

    def is_there(self, command: Command) -> list[str]:
        """Of what is exempt: whether there is such a target, file or extra."""
        text = SETTING.sub("", command.text.partition("#")[0], count=1)
        missing = []
        if text.startswith("make"):
            targets = re.findall(r"^([a-z][a-z ]*):", (ROOT / "Makefile").read_text(), re.M)
            words = [word for word in shlex.split(text)[1:] if "=" not in word]
            missing = [word for word in words if word not in " ".join(targets).split()]
        elif text.startswith(("tools/", ".ci/")):
            file = shlex.split(text)[0]
            missing = [] if os.access(ROOT / file, os.X_OK) else [file]
        elif text.startswith("pip"):
            extras = re.findall(r"pyftrace\[(\w+)\]", text)
            project = (ROOT / "pyproject.toml").read_text()
            missing = [name for name in extras if not re.search(rf"^{name} = \[", project, re.M)]
        return [self.wrong(command.line, f"{text}: no {name}") for name in missing]

    def python(self, block: Block, kind: str) -> list[str]:
        given = f"import pyftrace\n{block.notes.get('given', '')}\n"
        tests = kind == "python" and re.search(r"^ *(async )?def test_", block.text, re.M)
        program = self.folder / ("test_example.py" if tests else "example.py")
        beside = self.folder / "conftest.py"
        if kind == "pycon":
            flags = "doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE"
            test = f"sys.exit(doctest.testmod(optionflags={flags}).failed)"
            program.write_text(f"{given}import doctest, sys\n__doc__ = {block.text!r}\n{test}\n")
        elif tests:
            beside.write_text(given)
            program.write_text(block.text)
        else:
            program.write_text(given + block.text)
        words = [sys.executable, *(["-m", "pytest", "-q"] if tests else []), program.name]
        status, printed = self.run(words)
        program.unlink()
        beside.unlink(missing_ok=True)
        if status == int(block.notes.get("status", 0)):
            return []
        return [self.wrong(block.line, f"exit {status}\n{printed}")]

    def wrong(self, line: int, what: str) -> str:
        return f"{self.page}:{line}: {what}"


def without_others(text: str) -> str:
    """The part of a command that needs none of the programs that are missing here."""
    missing = [name for name in OTHERS if not shutil.which(name)]
    if not missing:
        return text
    other = re.search(rf"(?:^|\| *)(?:{'|'.join(missing)})(?= |$)", text)
    return text[: other.start()].strip() if other else text


# ---- pages ---------------------------------------------------------------------------------------


def pages() -> dict[str, str]:
    """The pages of the documentation: paths from the root, and sources."""
    patterns = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "examples/**/*.md")
    found = {path for pattern in patterns for path in ROOT.glob(pattern)}
    return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in sorted(found)}


def check(page: str, source: str, home: Path, others: bool = False) -> list[str]:
    """All that is wrong with the blocks of a page, which are run in `home`. If it is what commands
    print, the page as it would be right is left in ACTUAL."""
    place = re.search(r"^<!-- console: (\S+) -->", source, re.M)
    session = Session(home, page, place[1] if place else ".", others)
    wrong = [text for block in blocks_of(source) for text in session.go_through(block)]
    if session.otherwise:
        (ACTUAL / page).parent.mkdir(parents=True, exist_ok=True)
        (ACTUAL / page).write_text(mended(source, session.otherwise), "utf-8")
    return wrong


def mended(source: str, otherwise: list[tuple[Command, str]]) -> str:
    """A page that shows what was printed."""
    lines = source.split("\n")
    for command, printed in reversed(otherwise):
        margin = lines[command.line - 1].partition("$")[0]
        begin = command.line + command.text.count("\n")
        end = begin + len(command.output.split("\n")) - 1
        lines[begin:end] = [f"{margin}{line}".rstrip() for line in printed.rstrip().split("\n")]
    return "\n".join(lines)
