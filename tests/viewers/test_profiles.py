"""Profiles in the programs they are for. Each is asked what is known of PROGRAM."""

import io
import json
import pstats
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest
from clients import MODULES, PICTURES, run
from playwright.sync_api import Page

import pyftrace as api

PROGRAM = """\
import threading
def spin(n): return sum(range(n))
def parse(text):
    spin(20_000)
    return text
def load(n):
    for i in range(n): parse(str(i))
def fact(n): return 1 if n < 2 else n * fact(n - 1)
def main():
    load(7)
    fact(10)
main()
t = threading.Thread(target=load, args=(3,), name="loader"); t.start(); t.join()
"""
CALLS = {"main": 1, "load": 2, "parse": 10, "spin": 10, "fact": 10}
# A name that would break out of a label, of an attribute, of a page.
HOSTILE = (
    "</text><img src=x onerror=alert(1)>\"'`|]){}#35;<script>alert(2)</script>&quot;\x1b[2J\n%%"
)
HOSTILE_PROGRAM = f"""\
def inner(): pass
def outer(): inner()
NAMES = [{HOSTILE!r}, "*x* __y__ ~z~"]
NAMES += ["- item", "1. item", "+1", "# title", "end", "", "a\\\\n\\\\"]
for name in NAMES:
    code = outer.__code__.replace(co_name=name, co_qualname=name)
    type(outer)(code, globals())()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("profiles"), PROGRAM)


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("evil"), HOSTILE_PROGRAM)


def record(folder: Path, program: str) -> Path:
    (folder / "app.py").write_text(program)
    run(folder, sys.executable, "-m", "pyftrace", "record", "-q", "app.py")
    return folder


def dump(folder: Path, name: str) -> Path:
    out = f"out.{name}"
    run(folder, sys.executable, "-m", "pyftrace", "dump", "--format", name, "-o", out)
    return folder / out


def total_ns(folder: Path, function: str) -> int:
    (row,) = [r for r in api.open(folder / "pyftrace.data").report().rows if r.function == function]
    return row.total_ns


def speedscope_time(ns: int) -> str:
    """As speedscope writes it."""
    for factor, unit in ((1e6, "ms"), (1e3, "µs")):
        if ns >= factor:
            return f"{ns / factor:.2f}{unit}"
    return f"{ns:.2f}ns"


# ---- speedscope ----------------------------------------------------------------------------------


def open_in_speedscope(page: Page, file: Path) -> None:
    page.goto((MODULES / "speedscope" / "dist" / "release" / "index.html").as_uri())
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Browse", exact=True).click()
    chooser.value.set_files(file)
    page.get_by_text("Sandwich").wait_for()


def test_speedscope_shows_a_function_with_its_total(folder: Path, page: Page):
    open_in_speedscope(page, dump(folder, "speedscope"))
    page.screenshot(path=PICTURES / "speedscope.png")
    page.get_by_text("Sandwich").click()
    row = page.locator("tr", has_text="__main__.main")
    assert speedscope_time(total_ns(folder, "main")) in row.inner_text().replace("\xa0", " ")
    page.screenshot(path=PICTURES / "speedscope-table.png")
    page.get_by_text("MainThread (pid").first.wait_for()


def test_speedscope_shows_hostile_names_and_runs_none(evil: Path, page: Page):
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    open_in_speedscope(page, dump(evil, "speedscope"))
    page.get_by_text("Sandwich").click()
    rows = page.locator("tr", has_text="onerror=alert(1)")
    rows.first.wait_for()
    assert rows.count() == 1


def test_speedscope_s_own_schema_has_it(folder: Path):
    schema = json.loads(
        (MODULES / "speedscope" / "dist" / "release" / "file-format-schema.json").read_text()
    )
    jsonschema.validate(json.loads(dump(folder, "speedscope").read_text()), schema)


# ---- pstats, snakeviz ----------------------------------------------------------------------------


def test_pstats_says_who_calls_whom(folder: Path):
    out = io.StringIO()
    stats = pstats.Stats(str(dump(folder, "pstats")), stream=out)
    stats.strip_dirs().sort_stats("cumulative").print_stats().print_callers("parse")
    text = out.getvalue()
    assert re.search(r"33 function calls \(24 primitive calls\)", text)
    assert re.search(r"10/1 .* app\.py:8\(fact\)", text)
    assert re.search(r"app\.py:3\(parse\) +<- +10 .* app\.py:6\(load\)", text)


def test_snakeviz_shows_the_table(folder: Path, page: Page):
    file = dump(folder, "pstats")
    command = [sys.executable, "-m", "snakeviz", "--server", "--port", "0", str(file)]
    port = free_port()
    command[command.index("0")] = str(port)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if "ctrl-c" in line.lower():  # it listens now
                break
        page.context.set_offline(False)
        page.goto(f"http://127.0.0.1:{port}/snakeviz/{str(file).replace('/', '%2F')}")
        row = page.locator("#pstats-table tbody tr", has_text="(parse)")
        row.wait_for()
        cells = [cell.strip() for cell in row.locator("td").all_inner_texts()]
        assert cells[0] == "10"
        assert float(cells[3]) == pytest.approx(total_ns(folder, "parse") / 1e9, rel=0.01)
        page.locator("#chart svg g").first.wait_for()
        page.screenshot(path=PICTURES / "snakeviz.png")
    finally:
        server.terminate()
        server.communicate()


def free_port() -> int:
    import socket

    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


# ---- callgrind_annotate --------------------------------------------------------------------------


def test_callgrind_annotate_says_inclusive_and_calls(folder: Path):
    file = str(dump(folder, "callgrind"))
    text = run(folder, "callgrind_annotate", "--inclusive=yes", "--threshold=100", file)
    for function in CALLS:
        (ns,) = re.findall(rf"^ *([\d,]+) .* app\.py:__main__\.{function}$", text, re.M)
        assert int(ns.replace(",", "")) == total_ns(folder, function), function
    tree = run(folder, "callgrind_annotate", "--tree=both", "--threshold=100", file)
    assert re.search(r"< app\.py:__main__\.load \(10x\)", tree)
    assert re.search(r"< app\.py:__main__\.fact \(9x\)", tree)
    assert re.search(r"def parse\(text\)", run(folder, "callgrind_annotate", "--auto=yes", file))


def test_callgrind_annotate_reads_hostile_names(evil: Path):
    text = run(
        evil, "callgrind_annotate", "--auto=no", "--threshold=100", str(dump(evil, "callgrind"))
    )
    assert "onerror=alert(1)" in text and "\x1b" not in text
    assert len(re.findall(r" app\.py:__main__\.", text)) == 10


# ---- sqlite3 -------------------------------------------------------------------------------------


def test_sqlite3_answers_questions(folder: Path):
    file = str(dump(folder, "sqlite"))

    def ask(question: str) -> str:
        return run(folder, "sqlite3", "-batch", file, question)

    for function, calls in CALLS.items():
        answer = ask(f"SELECT calls, total_ns FROM totals WHERE name = '{function}'")
        assert answer == f"{calls}|{total_ns(folder, function)}\n"
    assert ask("SELECT calls FROM callers WHERE caller = 'load' AND name = 'parse'") == "10\n"
    assert ask("SELECT thread_name FROM named WHERE name = 'load' ORDER BY id") == (
        "MainThread\nloader\n"
    )
    assert ask("PRAGMA integrity_check") == "ok\n"


# ---- pictures ------------------------------------------------------------------------------------


def draw_with_dot(file: Path, name: str) -> str:
    run(file.parent, "dot", "-Tpng", str(file), "-o", str(PICTURES / f"{name}.png"))
    return run(file.parent, "dot", "-Tsvg", str(file))


def test_dot_draws_functions_and_edges(folder: Path):
    svg = draw_with_dot(dump(folder, "graphviz"), "graphviz")
    assert svg.count('class="node"') == len(CALLS)
    assert svg.count('class="edge"') == 5
    assert re.search(r">10 calls<", svg)
    assert re.search(r">[\d.]+ [mu]s, self [\d.]+ [mun]s<", svg)
    assert re.search(r"> ?10x [\d.]+ [mu]s<", svg)


def test_dot_draws_hostile_names_as_text(evil: Path, page: Page):
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    svg = draw_with_dot(dump(evil, "graphviz"), "graphviz-hostile")
    assert "<script" not in svg and "<img" not in svg and "&lt;script&gt;alert(2)" in svg
    page.set_content(svg)
    texts = page.locator("svg text").all_text_contents()
    assert {"__main__.- item", "__main__.1. item", "__main__.*x* __y__ ~z~"} <= set(texts)
    assert "__main__.a\\n\\" in texts


def draw_with_mermaid(page: Page, file: Path) -> str:
    page.goto("about:blank")
    page.add_script_tag(path=MODULES / "mermaid" / "dist" / "mermaid.min.js")
    svg = page.evaluate(
        """async text => {
            mermaid.initialize({startOnLoad: false});
            const {svg} = await mermaid.render("drawn", text);
            document.body.innerHTML = svg;
            return svg;
        }""",
        file.read_text(),
    )
    assert "Syntax error" not in svg
    return svg


def test_mermaid_draws_functions_and_edges(folder: Path, page: Page):
    draw_with_mermaid(page, dump(folder, "mermaid"))
    page.screenshot(path=PICTURES / "mermaid.png", full_page=True)
    nodes = page.locator("g.node .nodeLabel").all_inner_texts()
    assert len(nodes) == len(CALLS)
    (parse,) = [node for node in nodes if "__main__.parse" in node]
    assert "app.py:3" in parse and "10 calls" in parse
    assert sum("10x" in label for label in page.locator(".edgeLabel p").all_inner_texts()) == 2


def test_mermaid_draws_hostile_names_as_text(evil: Path, page: Page):
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    draw_with_mermaid(page, dump(evil, "mermaid"))
    page.screenshot(path=PICTURES / "mermaid-hostile.png", full_page=True)
    assert page.locator("script, img").count() == page.locator("head script").count()
    names = {node.split("\n")[0] for node in page.locator("g.node .nodeLabel").all_inner_texts()}
    for name in ("*x* __y__ ~z~", "- item", "1. item", "+1", "# title", "end"):
        assert f"__main__.{name}" in names
    assert any("<script>alert(2)</script>" in name for name in names)
