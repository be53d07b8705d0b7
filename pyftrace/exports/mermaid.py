"""A flowchart for Mermaid, which GitHub and many others draw from text in a ```mermaid block."""

from typing import TextIO

from pyftrace.exports import Source
from pyftrace.exports._picture import picture


def write(source: Source, out: TextIO) -> None:
    shown = picture(source.graph())
    out.write("flowchart TD\n")
    for box in shown.boxes:
        out.write(f'    f{box.number}["{"<br/>".join(map(quoted, box.lines))}"]\n')
    for arrow in shown.arrows:
        label = f'|"{quoted(arrow.label)}"|' if arrow.label else ""
        out.write(f"    f{arrow.caller} -->{label} f{arrow.function}\n")
    if shown.note:
        out.write(f'    note["{quoted(shown.note)}"]\n    style note stroke-dasharray: 4\n')


def quoted(text: str) -> str:
    """All that might be syntax, of Mermaid, of Markdown or of HTML, as its number. (Mermaid still
    breaks a line at an escaped newline.)"""
    return "".join(c if c.isalnum() or c in " ,/" else f"#{ord(c)};" for c in text)
