"""A program whose names and texts are made to do harm, and how it is told that they do none: to a
terminal, to the lines of a tree, to whoever reads JSON, CSV or HTML."""

import csv
import html
import io
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

Calls = Counter[tuple[str, str, str]]  # by function, module and file

NAMES = [
    # orders to a terminal: colours, a link, the clipboard; C0 and C1; what would forge a line
    "\x1b[2J\x1b[31mred", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "\x1b]52;c;ZXZpbA==\x07",
    "".join(map(chr, range(1, 32))), "".join(map(chr, range(0x7F, 0xA0))),
    "a\nCalled forged:1", "a\rover", "a\b\bb", "a\0b", "a\u2028b\u2029c",
    # quotes of all kinds, tags, formulas, separators, patterns
    "'\"`", "a\\n\\", "</script><b>&amp;", "=cmd()|' /C x'!A0", "+1", "-1", "@x", "\t=1", "\r=1",
    "a,b;=c|d", "*?[a]!", "a.b:c#1",
    # what is no text, what looks like other text or like nothing
    "lone \udc80\ud800", "\u202egpj.exe\u2066\u200f\u061c", "a\u200bb\ufeff\u2060\u00ad\U000e0041",
    "e\u0301\u0327", "\U0001f469\u200d\U0001f680\ufe0f", "   ", "",
]  # fmt: skip
HOSTILE = re.compile(
    r"[\0-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)

PROGRAM = """\
import asyncio, os, sys, threading
NAMES = {names}
print("before")
def inner(): pass
def plain(arg, kind): return arg
def fail(arg, kind):
    inner()
    raise kind(arg)
def work(): pass
async def step(): pass
async def main():
    for name in NAMES:
        await asyncio.create_task(step(), name=name)
for name in NAMES:
    Odd = type("Odd", (ValueError,), {{"__module__": name, "__qualname__": name}})
    code = plain.__code__.replace(co_name=name, co_qualname=name)
    type(plain)(code, globals())(name, Odd)
    code = fail.__code__.replace(co_name=name, co_qualname=name, co_filename=f"x{{name}}.py")
    try:
        type(plain)(code, globals() | {{"__name__": name}})(name, Odd)
    except Odd:
        pass
    thread = threading.Thread(target=work)
    thread.name = name
    thread.start(); thread.join()
asyncio.run(main())
print("after", file=sys.stderr)
{end}
"""
# Of each name two functions, inner, work, step, and main that waits: two events each; and main.
EVENTS = 12 * len(NAMES) + 2
ROWS = 2 * len(NAMES) + 4


def write(folder: Path, names: str = ascii(NAMES), end: str = "sys.exit(3)") -> Path:
    """folder/app.py; `names` is an expression."""
    (folder / "app.py").write_text(PROGRAM.format(names=names, end=end))
    return folder


def calls(folder: Path) -> Calls:
    """What the program calls."""
    app = str(folder / "app.py")
    counts = Counter({(name, "__main__", app): 1 for name in [*NAMES, "main"]})
    counts |= {(name, "__main__", app): len(NAMES) for name in ("inner", "work", "step")}
    for name in NAMES:
        counts[name, name, os.path.normpath(folder / f"x{name}.py")] += 1
    return counts


def called(rows: list[dict]) -> Calls:
    """The same, from a report's rows."""
    assert len(rows) == ROWS
    return Counter({(r["function"], r["module"], r["file"]): r["calls"] for r in rows})


# ---- forms ---------------------------------------------------------------------------------------


def lines_of(text: str) -> list[str]:
    """The lines of a text, which is harmless."""
    assert text.endswith("\n")
    lines = text.removesuffix("\n").split("\n")
    bad = [line for line in lines if HOSTILE.search(line)]
    assert not bad, bad
    return lines


def shown(name: str) -> str:
    """The form for terminals and in CSV."""
    return HOSTILE.sub(lambda found: ascii(found[0])[1:-1], name)


def strict(text: str):
    """What JSON says, without what Python alone would let pass: NaN, a key twice."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    assert text.isascii()
    return json.loads(text, parse_constant=pytest.fail, object_pairs_hook=once)


def glob(name: str) -> str:
    """A pattern for the name alone. A command line takes no NUL and no surrogate, and a slash makes
    a pattern of files."""
    quoted = re.sub(r"[][*?\\]", lambda found: f"[{found[0]}]", name)
    return f"*:{re.sub('[/\0\ud800-\udfff]', '?', quoted)}"


def check_csv(text: str, fields: int, expected: Calls) -> None:
    """Cells are the shown form; text that a spreadsheet would run is made plain text."""

    def cell(text: str) -> str:
        return "'" * (shown(text)[:1] in tuple("=+-@")) + shown(text)

    lines_of(text.replace("\r\n", "\n"))
    titles, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert {len(row) for row in rows} == {len(titles)} == {fields}
    counts = Counter({tuple(row[:3]): int(row[4]) for row in rows})
    assert counts == {tuple(map(cell, key)): n for key, n in expected.items()}
    assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r")]
    # LibreOffice parts cells at semicolons too, but not within quotes.
    assert ";" not in re.sub('"(?:[^"]|"")*"', "", text)


def check_html(text: str, names: set[str]) -> None:
    """No tags but ours, and the names among the cells."""
    cells, tags = (re.split("(<[^<>]*>)", text)[first::2] for first in (0, 1))
    assert {re.sub(" style='text-align:(left|right)'", "", tag).strip("</>") for tag in tags} <= {
        *("table", "thead", "tbody", "tr", "th", "td", "p"),
    }
    assert not [cell for cell in cells if re.search("[<>\"']|&(?![#\\w]+;)", cell)]
    assert not HOSTILE.search(text)
    assert names <= set(map(html.unescape, cells))
