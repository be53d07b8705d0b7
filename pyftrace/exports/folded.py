"""Folded stacks: a line for each chain of callers, outermost first, parted by ``;``, then a blank
and its self time in ns. flamegraph.pl (``--countname ns``), inferno and speedscope read it."""

from typing import TextIO

from pyftrace.exports import Source
from pyftrace.options import printable


def write(source: Source, out: TextIO) -> None:
    chain: list[str] = []
    for depth, node in source.tree().walk():
        if depth == 0:
            continue
        del chain[depth - 1 :]
        chain.append(label(node.function, node.module))
        out.write(f"{';'.join(chain)} {node.self_ns}\n")


def label(function: str, module: str) -> str:
    """``module.function`` without what parts frames."""
    return printable(f"{module}.{function}" if module else function).replace(";", ":")
