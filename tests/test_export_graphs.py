"""Pictures of who calls whom, as text: Mermaid's and Graphviz's. The programs themselves draw them
in tests/viewers."""

import re
from html import unescape
from pathlib import Path

import hostile
import pytest
import recorded

import pyftrace as api
from pyftrace.commands.graph import time_text

Node = tuple[str, ...]  # its lines


def read_mermaid(path: Path) -> tuple[dict[str, Node], dict[tuple[str, str], str], str]:
    """(nodes, labels of edges, note)"""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], str] = {}
    first, *lines = path.read_text().splitlines()
    assert first == "flowchart TD"
    for line in lines:
        # Nothing but letters, blanks and numbers of characters between quotes.
        if match := re.fullmatch(r'    (\w+)\["((?:[\w ,/]|<br/>|#\d+;)*)"\]', line):
            assert match[1] not in nodes
            nodes[match[1]] = tuple(map(decoded, match[2].split("<br/>")))
        elif match := re.fullmatch(r'    (\w+) -->(?:\|"((?:[\w ]|#\d+;)+)"\|)? (\w+)', line):
            assert (match[1], match[3]) not in edges
            edges[match[1], match[3]] = decoded(match[2] or "")
        else:
            assert line == "    style note stroke-dasharray: 4"
    return nodes, edges, "".join(nodes.pop("note", ()))


def decoded(text: str) -> str:
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text)


def read_graphviz(path: Path) -> tuple[dict[str, Node], dict[tuple[str, str], str], str]:
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], str] = {}
    label = r'\[label="((?:[^"\\]|\\.)*)"'
    for line in path.read_text().splitlines():
        if match := re.match(rf"    (\w+) {label}", line):
            assert match[1] not in nodes
            nodes[match[1]] = tuple(unquoted(match[2]).split("\n"))
        elif match := re.match(rf"    (\w+) -> (\w+) {label}", line):
            assert (match[1], match[2]) not in edges
            edges[match[1], match[2]] = unquoted(match[3]).strip()
    return nodes, edges, "".join(nodes.pop("note", ()))


def unquoted(text: str) -> str:
    return unescape(re.sub(r"\\(.)", lambda c: "\n" if c[1] == "n" else c[1], text))


FORMS = {"mermaid": read_mermaid, "graphviz": read_graphviz}
each_form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    recorded.record(folder)
    return folder


def function_of(node: Node) -> recorded.Function:
    name, place, *_ = node
    return re.sub(r"^(__main__|other)\.", "", name), int(place.rpartition(":")[2])


@each_form
def test_boxes_say_calls_total_and_self_time(form: str, folder: Path):
    nodes, _, note = FORMS[form](recorded.dump(folder, form))
    expected = recorded.totals(api.open(folder / "pyftrace.data"))
    assert {function_of(node): node[2:] for node in nodes.values()} == {
        function: (
            f"{calls} call{'s' * (calls != 1)}",
            f"{time_text(total)}, self {time_text(own)}",
        )
        for function, (calls, total, own) in expected.items()
    }
    assert note == ""


@each_form
def test_arrows_say_calls_and_time(form: str, folder: Path):
    nodes, edges, _ = FORMS[form](recorded.dump(folder, form))
    found = {
        (function_of(nodes[caller]), function_of(nodes[function])): label
        for (caller, function), label in edges.items()
    }
    expected = recorded.by_caller(api.open(folder / "pyftrace.data"))
    assert found == {
        pair: " ".join([f"{calls}x"] * (calls > 0) + [time_text(total)] * (total > 0))
        for pair, (calls, _, total, _) in expected.items()
        if pair[0] is not None
    }
    assert found[("fact", 4), ("fact", 4)] == "10x"
    assert re.fullmatch(r"[\d.]+ [mun]?s", found[("rest", 14), ("gen", 9)])


@each_form
def test_the_biggest_are_shown_and_it_is_said_what_is_left_out(form: str, tmp_path: Path):
    lines = [f"def f{i}(n):\n    return sum(range(n * 1000))" for i in range(50)]
    calls = [f"    f{i}({i})" for i in range(50)]
    recorded.record(tmp_path, "\n".join([*lines, "def all_of_them():", *calls, "all_of_them()"]))
    nodes, edges, note = FORMS[form](recorded.dump(tmp_path, form))
    rows = api.open(tmp_path / "pyftrace.data").report().rows
    biggest = {f"__main__.{row.function}" for row in rows[:40]}
    assert {node[0] for node in nodes.values()} == biggest
    assert len(edges) == 39
    assert note.startswith("11 of 51 functions and 11 of 50 edges are left out")


@each_form
def test_hostile_names_are_labels(form: str, tmp_path: Path):
    hostile.write(tmp_path)
    recorded.record(tmp_path, (tmp_path / "app.py").read_text().replace("sys.exit(3)", ""))
    nodes, _, note = FORMS[form](recorded.dump(tmp_path, form, "-e", "__main__:*"))
    shown = {node[0] for node in nodes.values()}
    names = [hostile.shown(f"{name}.{name}" if name else name) for name in hostile.NAMES]
    assert shown <= {name if len(name) <= 60 else f"...{name[-57:]}" for name in names} | {
        "x.py:6"  # of what has no name
    }
    assert len(nodes) > 20 and note == ""


def test_the_redder_the_more_time_of_its_own(folder: Path):
    text = recorded.dump(folder, "graphviz").read_text()
    greens = [
        int(found, 16) for found in re.findall(r'fillcolor="#ff([0-9a-f]{2})[0-9a-f]{2}"', text)
    ]
    assert len(greens) == len(recorded.CALLS)
    assert min(greens) == 110 and max(greens) > 200
