"""``pyftrace graph``: the aggregated call tree, or one function's callers and callees."""

import sys
from argparse import Namespace
from collections.abc import Iterator

from pyftrace import _engine
from pyftrace.commands import _common as common
from pyftrace.options import checked_pattern, printable
from pyftrace.recording import Node, Place, place_of, tree_of
from pyftrace.totals import matches

EXAMPLES = """\
  pyftrace graph                       where the time goes, from the top down
  pyftrace graph --func query -d 2     who calls query, and what it calls itself
  pyftrace graph --min-time 1ms -d 6   only what took as long, six levels
"""


def parser() -> common.Parser:
    """What it takes."""
    p = common.parser(
        "graph",
        "The calls of a recording, added up: each line is a function called from the one\n"
        "above it, with its total time, self time and number of calls.",
        EXAMPLES,
    )
    common.add_selection(p)
    p.add_argument(
        "--func",
        metavar="FUNC",
        help="the back-traces of this function, and what it calls (a PATTERN)",
    )
    p.add_argument(
        "--min-time",
        type=common.duration,
        default=0,
        metavar="TIME",
        help="leave out what took less in all",
    )
    p.add_argument("-o", "--output", metavar="FILE", help="write to FILE")
    p.add_argument("--no-pager", action="store_true", help="straight to the terminal")  # fmt: skip
    return p


def main(words: list[str]) -> int:
    """The exit status."""
    a = parser().parse_args(words)
    return common.run(lambda: _graph(a))


def _graph(a: Namespace) -> int:
    if a.func is not None:
        checked_pattern("--func", a.func)
    patterns, part = common.patterns_of(a), common.part_of(a)
    depth = patterns.pop("depth")
    recording = common.opened(a.dir)
    common.say_absent(recording, part)
    progress = common.Progress(recording.events_total())
    levels = depth if a.func is None else 0  # of --func they are counted from it on
    tap = _engine.Tap("tree", depth=levels, **patterns)
    recording.walk(tap, progress=progress, **part)
    root = tree_of(tap)
    progress.end()
    if a.func is None:
        lines = list(tree_lines(root.children, a.min_time))
    else:
        found = list(_find(root, a.func))
        if not found:
            return common.refuse(f"no function of the recording matches '{a.func}'", 1)
        lines = [*backtrace_lines(found), "", *callee_lines(found, a.min_time, depth)]
    common.write("\n".join(lines) + "\n", a.output, not a.no_pager)
    return common.finish_reading(recording, tap)


def time_text(ns: int) -> str:
    """Three digits and a unit, as in the tree."""
    for unit, factor in (("ns", 1), ("us", 10**3), ("ms", 10**6), ("s", 10**9)):
        value = ns / factor
        if value < 999.5 or unit == "s":
            break
    digits = 0 if unit == "ns" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def _line(node: Node, depth: int) -> str:
    own = time_text(node.self_ns)
    return (f"{time_text(node.total_ns):>8}  {own:>8}  {node.calls:>9}  "
            f"{'  ' * min(depth, 60)}{printable(node.function)}")  # fmt: skip


HEADING = f"{'total':>8}  {'self':>8}  {'calls':>9}  function"


def tree_lines(nodes: list[Node], least: int) -> Iterator[str]:
    """The tree, largest first."""
    yield HEADING
    for top in nodes:
        skip = sys.maxsize  # below this depth everything is left out
        for depth, node in top.walk():
            if depth > skip:
                continue
            skip = sys.maxsize
            if node.total_ns < least:
                skip = depth
                continue
            yield _line(node, depth)


def _find(root: Node, pattern: str) -> Iterator[list[Node]]:
    """The chains that end at a matching function, outermost caller first."""
    chain: list[Node] = []
    for depth, node in root.walk():
        del chain[depth:]
        chain.append(node)
        if depth and matches(pattern, node.module, node.function, node.file):
            yield chain[1:]


def backtrace_lines(found: list[list[Node]]) -> Iterator[str]:
    """Who called it, most often first."""
    ways = _ways(found)
    calls = sum(way.calls for way in ways)
    name = printable(found[0][-1].function)
    yield f"{name}: {calls} call{'s' if calls != 1 else ''} by {len(ways)} way" + (
        "s" if len(ways) != 1 else ""
    )
    for way in sorted(ways, key=lambda way: -way.calls):
        yield ""
        word = "calls" if way.calls != 1 else "call"
        yield f"{way.calls:>9} {word}, {time_text(way.total_ns)}"
        names = [
            printable(node.function) + ("  (recursive)" if key in way.recursive else "")
            for key, node in way.path.items()
        ]
        if way.cut:
            names.insert(-1, "...")
        shown = names if len(names) <= 40 else [
            *names[:20], f"... {len(names) - 39} more", *names[-19:],
        ]  # fmt: skip
        for i, text in enumerate(shown):
            yield f"{'':>11}{'  ' * i}{text}"


class _Way:
    """Chains that are one but for their recursion. Time is counted where it is entered."""

    def __init__(self, path: dict[Place, Node]) -> None:
        self.path = path
        self.recursive: set[Place] = set()
        self.calls = self.total_ns = 0
        self.cut = False


def _ways(found: list[list[Node]]) -> list[_Way]:
    ways: dict[tuple[Place, ...], _Way] = {}
    for chain in found:
        path: dict[Place, Node] = {}
        again: set[Place] = set()
        for node in chain:
            key = place_of(node)
            if key in path:  # from its first time to this one it is a circle
                again.add(key)
                while next(reversed(path)) != key:
                    path.popitem()
            path[key] = node
        way = ways.setdefault(tuple(path), _Way(path))
        way.recursive |= again
        way.calls += chain[-1].calls
        way.cut |= chain[-1].cut
        if not any(place_of(n) == key for n in chain[:-1]):
            way.total_ns += chain[-1].total_ns
    return list(ways.values())


def callee_lines(found: list[list[Node]], least: int, levels: int = 0) -> Iterator[str]:
    """What it calls: the sub-trees of all its nodes, added up; ``levels`` of them, 0 for all."""
    nodes = {id(chain[-1]) for chain in found}
    outermost = [c[-1] for c in found if not any(id(node) in nodes for node in c[:-1])]
    whole = merged(outermost)
    if levels:
        for node in [node for depth, node in whole.walk() if depth == levels - 1]:
            node.children.clear()
            node.self_ns = node.total_ns
    yield from tree_lines([whole], least)


def merged(nodes: list[Node]) -> Node:
    """One node that stands for several of one function."""
    first = nodes[0]
    whole = Node(first.function, first.module, first.file, first.line, 0, 0, 0)
    todo = [(whole, nodes)]
    while todo:
        target, parts = todo.pop()
        groups: dict[Place, list[Node]] = {}
        for part in parts:
            target.calls += part.calls
            target.total_ns += part.total_ns
            target.self_ns += part.self_ns
            for child in part.children:
                groups.setdefault(place_of(child), []).append(child)
        for group in groups.values():
            one = group[0]
            child = Node(one.function, one.module, one.file, one.line, 0, 0, 0)
            target.children.append(child)
            todo.append((child, group))
    for _, node in whole.walk():
        node.children.sort(key=lambda child: -child.total_ns)
    return whole
