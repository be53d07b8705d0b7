"""A graph in the language of Graphviz's dot. The redder a function, the more of the time it takes
itself; the thicker an arrow, the more is spent through it."""

from typing import TextIO

from pyftrace.exports import Source
from pyftrace.exports._picture import picture


def write(source: Source, out: TextIO) -> None:
    shown = picture(source.graph())
    own = max((box.totals.self_ns for box in shown.boxes), default=0) or 1
    most = max((box.totals.total_ns for box in shown.boxes), default=0) or 1
    out.write(
        'digraph calls {\n    node [shape=box style="filled,rounded" fontname="sans-serif"];\n'
    )
    out.write('    edge [fontname="sans-serif" fontsize=10];\n')
    for box in shown.boxes:
        out.write(
            f"    f{box.number} [label={quoted(box.lines)}"
            f' fillcolor="{_color(box.totals.self_ns / own)}"];\n'
        )
    for arrow in shown.arrows:
        width = 1 + 4 * arrow.total_ns / most
        out.write(
            f"    f{arrow.caller} -> f{arrow.function}"
            f" [label={quoted([' ' + arrow.label])} penwidth={width:.1f}];\n"
        )
    if shown.note:
        out.write(f"    note [label={quoted([shown.note])} style=dashed];\n")
    out.write("}\n")


def quoted(lines: list[str]) -> str:
    """A label, which has entities and escapes of its own."""
    texts = (line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines)
    return '"' + "\\n".join(texts) + '"'


def _color(share: float) -> str:
    """From white to red; text on it stays readable."""
    green, blue = (round(255 - share * (255 - least)) for least in (110, 90))
    return f"#ff{green:02x}{blue:02x}"
