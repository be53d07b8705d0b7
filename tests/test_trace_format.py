"""docs/trace-format.md says what is: a reader written from it finds what pyftrace finds, its
example decodes to what it says, its numbers are those of format.h."""

import re
from pathlib import Path

import plain_reader
import pytest
from conftest import Run

import pyftrace as api

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/trace-format.md"
HEADER = (ROOT / "src/trace/format.h").read_text()

PROGRAMS = {
    "calls": "def f(n): return g(n)\ndef g(n): return n\nfor n in range(3000): f(n)\n",
    "recursion": "def f(n):\n    if n: f(n - 1)\nfor _ in range(70): f(600)\n",
    "exceptions": "def f(n): raise ValueError(n)\n"
    "for n in range(50):\n    try: f(n)\n    except ValueError: pass\n",
    "generators": "def f(n):\n    for i in range(n): yield i\n"
    "def g():\n    a, b = f(3), f(4)\n    next(a); next(b); a.close(); list(b)\ng()\n",
    # Runs that a segment's head does not list, because more calls are open than it has room for.
    "deep generators": "import sys\nsys.setrecursionlimit(5000)\n"
    "def f(n):\n    if n == 0: yield from range(80)\n"
    "    else:\n        for x in f(n - 1): yield x\n"
    "for _ in f(400): pass\n",
    # Returns into calls that were open when their segment began, each of them a byte.
    "up again": "def g(): pass\n"
    "def f(n):\n    if n: f(n - 1)\n    else:\n        for _ in range(30_000): g()\nf(200)\n",
    "raised on": "def f(n):\n    if n == 0: raise ValueError('again')\n    g(n)\n"
    "def g(n): f(n - 1)\n"
    "for n in range(20):\n    try: f(n)\n    except ValueError: pass\n",
    "tasks": "import asyncio\nasync def f(n):\n    await asyncio.sleep(0)\n    return g(n)\n"
    "def g(n): return n\n"
    "async def main(): await asyncio.gather(*(f(n) for n in range(5)))\nasyncio.run(main())\n",
    "threads": "import threading\ndef f(): g()\ndef g(): pass\n"
    "ts = [threading.Thread(target=f, name=f't{n}') for n in range(5)]\n"
    "[t.start() for t in ts]; [t.join() for t in ts]\n",
    "fork": "import os\ndef f():\n    pid = os.fork()\n    g()\n    if pid: os.waitpid(pid, 0)\n"
    "def g(): pass\nf()\n",
    "killed": "import os\ndef f(n):\n    if n == 300: os.kill(os.getpid(), 9)\n    g(n)\n"
    "def g(n): pass\nfor n in range(1000): f(n)\n",
    "hostile": "f = eval('lambda: 1')\n"
    "f.__code__ = f.__code__.replace(co_qualname='a\\udc80\\n\\x1b')\n"
    "f()\ndef g(x): return x\ng('\\x1b[31m'); g('\\udc80')\n",
}
OPTIONS = {
    "plain": [],
    "payloads": ["-v", "-a", "--values", "safe", "--callers"],
    "ring": ["--ring", "256k"],
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_plain_reader_agrees(program: str, options: str, pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(PROGRAMS[program])
    pyftrace("record", "-q", *OPTIONS[options], "app.py")
    ours = [
        tuple(getattr(event, name) for name in plain_reader.Event._fields)
        for event in api.open(tmp_path / "pyftrace.data").events()
        if event.event != "lost"
    ]
    theirs = [tuple(event) for event in plain_reader.read(tmp_path / "pyftrace.data")]
    assert len(ours) == len(theirs) > 0

    def by_thread(events):  # the same time to the ns or so: one multiplies, one divides
        return sorted(((e[1], e[2], e[3]), i, e[4:]) for i, e in enumerate(numbered(events)))

    def numbered(events):
        return sorted(events, key=lambda e: (e[1], e[2], e[3]))

    assert [row[2] for row in by_thread(ours)] == [row[2] for row in by_thread(theirs)]
    for a, b in zip(numbered(ours), numbered(theirs), strict=True):
        assert abs(a[0] - b[0]) <= 2


def test_the_example_is_what_the_document_says():
    text = DOCUMENT.read_text()
    blocks = dict(re.findall(r"```hex (\w+)\n(.*?)```", text, re.S))
    data = {name: bytes.fromhex(block) for name, block in blocks.items()}
    functions, _ = plain_reader.definitions(data["definitions"], 0)
    assert functions == {
        8: plain_reader.Function(32, 1, "f", "__main__", "/src/w.py"),
        9: plain_reader.Function(32, 2, "g", "__main__", "/src/w.py"),
    }
    events = plain_reader.Thread().events(plain_reader.Bytes(data["events"]), 0, 0, 0)
    assert [event[:3] for event in events] == [
        (0, "start", 8),
        (18372, "start", 9),
        (18372 + 147, "return", 9),
        (18372 + 147 + 250, "return", 8),
    ]


@pytest.mark.parametrize(
    ("struct", "section"),
    [("run_head", "run"), ("defs_head", "defs"), ("lane_head", "lanes"), ("segment", "Segments")],
)
def test_offsets_are_those_of_the_header(struct: str, section: str):
    """Each field has the offset that the order and sizes of the C fields give it."""
    sizes = {"uint8_t": 1, "uint32_t": 4, "uint64_t": 8, "struct ft_anchor": 24,
             "struct ft_file_head": 24}  # fmt: skip
    body = re.search(rf"struct ft_{struct} \{{(.*?)\n\}};", HEADER, re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    expected, at = [], 0
    for kind, names in re.findall(r"^\s*((?:struct )?\w+) ([^;]+);", body, re.M):
        for name in names.split(","):
            name, _, count = name.strip().rstrip("]").partition("[")
            size = sizes[kind] * int(count or 1)
            if name != "file":
                expected.append((at, size, name))
            at += size
    assert at == int(re.search(rf"sizeof\(struct ft_{struct}\) == (\d+)", HEADER)[1])
    rows = [
        (int(offset), int(size), name)
        for offset, size, name in re.findall(
            r"^\| (\d+) \| (\d+) \| (\w+) \|", DOCUMENT.read_text(), re.M
        )
    ]
    position = next(i for i in range(len(rows)) if rows[i : i + 2] == expected[:2])
    assert rows[position : position + len(expected)] == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("FT_TRACE_VERSION", "version 1"),
        ("FT_HEAD_CALLS", "at most 256"),
        ("FT_RING_START", "4096"),
        ("FT_RING_SEGMENTS", "there are 8 places"),
        ("FT_LIKELY_SLOTS", "a table of 256"),
        ("FT_RUN_SLOTS", "another table of 256"),
        ("FT_STOP_MAX_SIZE", "100000: max_size"),
        ("FT_NAME_MAX", "definitions 4096"),
    ],
)
def test_limits_are_those_of_the_header(name: str, words: str):
    value = re.search(rf"#define {name} (\d+)", HEADER)[1]
    assert value in words
    assert words in " ".join(DOCUMENT.read_text().split())
