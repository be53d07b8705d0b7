"""`pyftrace html` writes one page that loads nothing, runs nothing but its own script, and holds
the figures of a report, a tree and `info`. How it is used is in tests/viewers/test_html.py."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import hostile
import pytest
from conftest import Run, clean_environment

import pyftrace as api
from pyftrace import _engine
from pyftrace.html import SCRIPTS, block
from pyftrace.html.data import FIGURES, largest
from pyftrace.options import printable

PROGRAM = """\
import threading
def inner(n): return n
def outer(n):
    for _ in range(n): inner(n)
    if n: outer(n - 1)
def gen():
    yield inner(1)
    yield 2
def work(): outer(3); list(gen())
thread = threading.Thread(target=work, name="worker")
thread.start(); thread.join()
work()
"""


class Page(HTMLParser):
    """The elements of a page, as a browser's parser finds them, and the texts of some."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self._within = "data" if dict(attributes).get("id") == "data" else tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._within] = self.texts.get(self._within, "") + data

    @property
    def data(self) -> dict:
        return json.loads(self.texts["data"])


def read(path: Path) -> Page:
    return Page(path.read_text("utf-8"))


def functions(data: dict) -> list[tuple[str, str, str, int]]:
    columns, strings = data["functions"], data["strings"]
    return [
        (strings[module], strings[name], strings[file], line)
        for module, name, file, line in zip(
            *(columns[key] for key in ("module", "name", "file", "line")), strict=True
        )
    ]


def place(item: object) -> tuple[str, str, str, int]:
    """Of a row, a node or a change, as the page has it."""
    texts = (printable(getattr(item, key)) for key in ("module", "function", "file"))
    return (*texts, item.line)


@pytest.fixture
def recorded(pyftrace: Run, tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(PROGRAM)
    assert pyftrace("record", "-q", "app.py").returncode == 0
    return tmp_path


@pytest.fixture
def page(recorded: Path, pyftrace: Run) -> Page:
    done = pyftrace("html", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return read(recorded / "pyftrace.html")


# ---- the page ------------------------------------------------------------------------------------


def test_only_its_own_script_and_style_are_allowed(page: Page):
    (policy,) = [a["content"] for tag, a in page.elements if "http-equiv" in a]
    hashes = {
        tag: base64.b64encode(hashlib.sha256(page.texts[tag].encode()).digest()).decode()
        for tag in ("script", "style")
    }
    assert policy.split("; ") == [
        "default-src 'none'",
        f"script-src 'sha256-{hashes['script']}'",
        f"style-src 'sha256-{hashes['style']}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_nothing_is_loaded_and_no_markup_runs_code(page: Page):
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "base", "form"), tag
        assert not {"src", "style", "srcset"} & attributes.keys(), attributes
        assert not any(name.startswith("on") for name in attributes), attributes
        assert not (attributes.get("href") or "#").strip("#"), attributes


def test_the_script_makes_no_markup_of_data():
    """And no code of text."""
    folder = Path(sys.modules["pyftrace.html"].__file__ or "").parent
    assert {path.name for path in folder.glob("*.js")} == set(SCRIPTS)
    for name in SCRIPTS:
        text = (folder / name).read_text()
        found = re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bFunction\(|</script",
            text,
        )
        assert not found, (name, found)
        assert max(map(len, text.splitlines())) <= 100, name
        assert text.count("\n") < 600 and "@@" not in text, name


def test_a_block_of_data_is_no_markup():
    texts = ["</script><!--<b>&amp;", "\u2028\u2029", "lone \ud800", "\0\x1b\n", "'\"`"]
    text = block({"texts": texts})
    assert not set("<>&\u2028\u2029\ud800") & set(text) and text.isascii()
    assert json.loads(text) == {"texts": texts}


# ---- what it holds -------------------------------------------------------------------------------


def test_the_table_is_the_report(page: Page, recorded: Path):
    rows = api.open(recorded / "pyftrace.data").report().rows
    assert functions(page.data)[: len(rows)] == [place(row) for row in rows]
    for name in FIGURES:
        assert page.data["functions"][name] == [getattr(row, name) for row in rows], name


def test_the_tree_is_the_tree(page: Page, recorded: Path):
    known, tree = functions(page.data), page.data["tree"]
    nodes = list(api.open(recorded / "pyftrace.data").tree().walk())[1:]
    assert tree["depth"] == [depth - 1 for depth, _ in nodes]
    assert [known[i] for i in tree["function"]] == [place(node) for _, node in nodes]
    for name in ("calls", "total_ns", "self_ns"):
        assert tree[name] == [getattr(node, name) for _, node in nodes]
    assert (tree["left_out"], tree["cut"]) == (0, [])


def test_the_timeline_has_every_call_when_it_ran(page: Page, recorded: Path):
    data = page.data
    known = functions(data)
    events = list(api.open(recorded / "pyftrace.data").events())
    assert {thread["name"] for thread in data["threads"]} == {"MainThread", "worker"}
    for thread in data["threads"]:
        expected, opened = [], []
        for event in (e for e in events if e.tid == thread["tid"]):
            if event.event in ("start", "resume"):
                opened.append(event)
            else:
                began = opened.pop()
                expected.append((began.depth, began.t, event.t - began.t, began.function))
        begins, now = [], 0
        for step in thread["begin"]:
            begins.append(now := now + step)
        found = zip(
            thread["depth"], begins, thread["length"],
            (known[i][1] for i in thread["function"]), strict=True,
        )  # fmt: skip
        assert list(found) == sorted(expected)
        assert thread["busy"] == thread["length"] and set(thread["calls"]) == {1}
        assert (thread["limit"], thread["deeper"], thread["mixed"]) == (0, 0, [])


def test_the_recording_is_told_as_info_tells_it(page: Page, pyftrace: Run):
    (run,) = page.data["runs"]
    lines = [f"{label:<13}{text}" for label, text in run["rows"]] + run["processes"]
    assert lines == pyftrace("info").stdout.splitlines()
    assert (run["state"], run["why"], run["missing"]) == ("COMPLETE", [], 0)


def test_an_incomplete_recording_says_why(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("import os\ndef f(): pass\nf()\nos._exit(0)\n")
    pyftrace("record", "-q", "app.py")
    done = pyftrace("html", "-q")
    assert done.returncode == 0 and "is INCOMPLETE" in done.stderr and done.stderr.count("\n") == 1
    (run,) = read(tmp_path / "pyftrace.html").data["runs"]
    assert run["state"] == "INCOMPLETE" and "no end mark" in run["why"][0]


def test_a_recording_without_calls(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("pass\n")
    pyftrace("record", "-q", "app.py")
    done = pyftrace("html")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(
        r"pyftrace: pyftrace\.html written, [0-9.]+ KiB: open it in a browser\n", done.stderr
    )
    data = read(tmp_path / "pyftrace.html").data
    assert functions(data) == [] and data["tree"]["depth"] == []


def test_a_part_is_chosen_as_everywhere(pyftrace: Run, recorded: Path):
    done = pyftrace("html", "-q", "-f", "outer", "-e", "gen", "-d", "2", "--until", "1h")
    assert done.returncode == 2  # no unit of ours
    pid = api.open(recorded / "pyftrace.data").run["pid"]
    words = ["-f", "outer", "-d", "2", "--pid", str(pid), "--tid", str(pid), "--until", "1.5s"]
    assert pyftrace("html", "-q", *words).returncode == 0
    data = read(recorded / "pyftrace.html").data
    assert data["chosen"] == f"-f outer -d 2 --pid {pid} --tid {pid} --until 1500ms"
    assert {name for _, name, _, _ in functions(data)} == {"outer", "inner"}
    assert max(data["tree"]["depth"]) == 1
    assert [thread["name"] for thread in data["threads"]] == ["MainThread"]
    assert data["threads_left_out"] == 0


def test_a_pattern_that_matches_nothing_is_said(pyftrace: Run, recorded: Path):
    done = pyftrace("html", "-q", "-e", "nothing_of_it")
    assert (done.returncode, done.stderr) == (
        0,
        "pyftrace: warning: nothing matched 'nothing_of_it'\n",
    )


# ---- much of it ----------------------------------------------------------------------------------


def test_of_many_calls_short_ones_are_added_up_and_none_is_lost(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "def leaf(n): return n\n"
        "def other(): pass\n"
        "def loop(n):\n    for i in range(n): leaf(i); i % 3 or other()\n"
        "for _ in range(20): loop(1000)\n"
    )
    pyftrace("record", "-q", "app.py")
    recording = api.open(tmp_path / "pyftrace.data")
    tap = _engine.Tap("spans", most=1024)
    recording.walk(tap)
    limit, deeper, _, spans = tap.spans()
    assert limit > 0 and deeper == 0 and len(spans) <= 1024
    assert sum(span[4] for span in spans) == sum(row.calls for row in recording.report().rows)
    busy = {row.function: row.total_ns for row in recording.report().rows}
    assert sum(span[3] for span in spans) == sum(busy.values())
    assert any(span[6] and span[4] > 1 for span in spans)  # of leaf and other
    for depth in (0, 1):
        level = [(begin, end) for d, begin, end, *_ in spans if d == depth]
        assert level == sorted(level)
        assert all(a[1] <= b[0] for a, b in pairwise(level))
    for _, begin, end, busy_ns, calls, _, _ in spans:
        assert busy_ns <= end - begin and (calls == 1 or end - begin < 2 * limit)


def test_calls_deeper_than_128_levels_are_counted(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("def f(n): n and f(n - 1)\nf(199)\n")
    pyftrace("record", "-q", "app.py")
    tap = _engine.Tap("spans", most=0)
    api.open(tmp_path / "pyftrace.data").walk(tap)
    limit, deeper, _, spans = tap.spans()
    assert (limit, deeper, len(spans)) == (0, 72, 128)


def test_the_smallest_nodes_are_left_out_with_all_below_them():
    nodes = [(0, 9), (1, 5), (2, 1), (1, 3), (0, 2), (1, 2)]  # depth and size
    kept, left_out = largest(nodes, lambda n: n[0], lambda n: n[1], most=4)
    assert (kept, left_out) == ([(0, 9), (1, 5), (1, 3), (0, 2)], 2)
    alike = [(0, 2), (1, 2), (0, 2)]
    assert largest(alike, lambda n: n[0], lambda n: n[1], most=2) == (alike[:2], 1)
    assert largest(nodes, lambda n: n[0], lambda n: n[1], most=6) == (nodes, 0)


# ---- hostile names, mistakes ---------------------------------------------------------------------


def test_hostile_names_are_text_and_no_markup(pyftrace: Run, tmp_path: Path):
    hostile.write(tmp_path)
    words = [sys.executable, "-m", "pyftrace", "record", "-q", "app.py"]
    done = subprocess.run(words, cwd=tmp_path, env=clean_environment(), capture_output=True)
    assert done.returncode == 3
    assert pyftrace("html", "-q").returncode == 0
    text = (tmp_path / "pyftrace.html").read_text("utf-8")
    assert not hostile.HOSTILE.search(text.replace("\n", ""))
    assert len(re.findall(r"</script", text, re.I)) == 2
    data = Page(text).data
    assert {place(row) for row in api.open(tmp_path / "pyftrace.data").report().rows} == set(
        functions(data)
    )


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["no.data"], 1, "cannot read no.data: No such file or directory"),
        (["a", "b"], 2, "html takes one recording; to compare two: --diff A B"),
        (["--pid", "x"], 2, "--pid: 'x' is not a whole number"),
        (["--since", "2s", "--until", "1s"], 2, "--since is after --until"),
        (["-o", "no/such/page.html"], 2, "cannot write no/such/page.html: No such file"),
        (["-o", "/dev/full"], 1, "cannot write: No space left on device"),
        (["--diff", "a", "b", "c"], 2, "3 recordings: put -- between those of A and those of B"),
        (["--diff", "--since", "1s"], 2, "--diff compares whole recordings"),
        (["--wide"], 2, "unrecognized arguments: --wide (pyftrace html -h)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(
    words: list[str], status: int, message: str, pyftrace: Run, recorded: Path
):
    done = pyftrace("html", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"pyftrace: {message}") and done.stderr.count("\n") == 1


def test_help_has_examples(pyftrace: Run):
    done = pyftrace("html", "-h")
    assert done.returncode == 0 and "pyftrace html --diff before.data after.data" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_the_traced_process_imports_none_of_it(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text("import sys\nprint([m for m in sys.modules if 'html' in m])\n")
    assert pyftrace("record", "-q", "app.py").stdout == "[]\n"


# ---- a comparison --------------------------------------------------------------------------------

BEFORE = "def a(): b()\ndef b(): pass\ndef gone(): pass\na(); gone()\n"
AFTER = "# moved\n\ndef a():\n    b(); b(); new()\ndef b(): pass\ndef new(): pass\na()\n"


@pytest.fixture
def compared(pyftrace: Run, tmp_path: Path) -> Path:
    for name, text in (("before", BEFORE), ("after", AFTER)):
        (tmp_path / "app.py").write_text(text)
        pyftrace("record", "-q", "-o", f"{name}.data", "app.py")
    return tmp_path


def test_a_comparison_has_both_sides(compared: Path, pyftrace: Run):
    done = pyftrace("html", "-q", "--diff", "before.data", "after.data", "-o", "diff.html")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    data = read(compared / "diff.html").data
    names = [name for _, name, _, _ in functions(data)]
    calls = {
        name: (data["functions"]["a"]["calls"][i], data["functions"]["b"]["calls"][i])
        for i, name in enumerate(names)
    }
    assert calls == {"a": (1, 1), "b": (1, 2), "gone": (1, -1), "new": (-1, 1)}
    tree = data["tree"]
    paths = {
        (tree["depth"][i], names[f]): (tree["a"]["calls"][i], tree["b"]["calls"][i])
        for i, f in enumerate(tree["function"])
    }
    assert paths == {(0, "a"): (1, 1), (1, "b"): (1, 2), (1, "new"): (-1, 1), (0, "gone"): (1, -1)}
    for side, folder in (("a", "before.data"), ("b", "after.data")):
        for row in api.open(compared / folder).report().rows:
            at = names.index(row.function)
            figures = data["functions"][side]
            assert figures["total_ns"][at] == row.total_ns
            assert figures["self_ns"][at] == row.self_ns
    assert [run["side"] for run in data["runs"]] == ["A", "B"]
    assert data["title"] == "before.data -> after.data"


def test_a_path_of_moved_code_is_its_functions(compared: Path, pyftrace: Run):
    """A function on both sides stands in one place, also where only one side calls it so."""
    (compared / "app.py").write_text("def b(): pass\n\n\ndef gone(): b()\ngone(); b()\n")
    pyftrace("record", "-q", "-o", "third.data", "app.py")
    pyftrace("html", "-q", "--diff", "third.data", "after.data", "-o", "diff.html")
    data = read(compared / "diff.html").data
    assert len(functions(data)) == len(data["functions"]["a"]["calls"])


def test_several_runs_a_side(compared: Path, pyftrace: Run):
    words = ["before.data", "before.data", "--", "after.data"]
    assert pyftrace("html", "-q", "--diff", *words, "-o", "diff.html").returncode == 0
    data = read(compared / "diff.html").data
    assert data["title"] == "before.data, before.data -> after.data"
    assert [run["side"] for run in data["runs"]] == ["A", "A", "B"]
