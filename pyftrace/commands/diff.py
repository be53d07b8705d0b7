"""``pyftrace diff``: what is called more often, or takes longer, than before."""

import json
import re
from argparse import Namespace
from collections.abc import Callable, Iterable

from pyftrace import compare, folder
from pyftrace import options as opts
from pyftrace.commands import _common as common
from pyftrace.commands.graph import time_text
from pyftrace.compare import Change, Figures
from pyftrace.recording import Recording

EXAMPLES = """\
  pyftrace diff                              the last recording and the one before it
  pyftrace diff before.data after.data       function by function
  pyftrace diff --paths before.data          by call path, against pyftrace.data
  pyftrace diff a1.data a2.data -- b1.data b2.data b3.data
                                             several runs a side: medians, and how they spread
  pyftrace diff --max-calls +0 before.data after.data
                                             exit status 3 when a function is called more often
  pyftrace diff --max-total +10% -f app.views.index before.data after.data
"""
SORT = ("change", "calls", "total", "self", "name")
LIMIT = re.compile(r"\+(\d+)(%?)")


def main(words: list[str]) -> int:
    """The exit status; 3 when a limit is exceeded."""
    cut = words.index("--") if "--" in words else len(words)
    second = words[cut + 1 :] if cut < len(words) else None
    p = common.Parser(
        prog="pyftrace diff",
        description="Compare recordings: A, before, and B, after. Functions are known by module\n"
        "and name, wherever their lines have moved to. Several on each side, with --\n"
        "between: medians. Exit status 3 when a limit is exceeded.",
        epilog="Examples:\n" + EXAMPLES,
        formatter_class=common.Raw,
        allow_abbrev=False,
    )
    p.add_argument(
        "dirs", nargs="*", metavar="DIR",
        help=f"A and B ({folder.DEFAULT}.old and {folder.DEFAULT}; B alone may be left out)",
    )  # fmt: skip
    common.add_patterns(p.add_argument_group("which part"))
    group = p.add_argument_group("limits")
    group.add_argument("--max-calls", metavar="+N|+N%", help="no function may be called more often")
    group.add_argument(
        "--max-total", metavar="+TIME|+N%", help="all that is compared may not take longer"
    )
    p.add_argument("--paths", action="store_true", help="by call path: only what has changed there")
    p.add_argument("--sort", choices=SORT, default="change", help="change: calls, then time")
    p.add_argument("--limit", metavar="N", help="N rows (0: all; 50 on a terminal)")
    p.add_argument("--format", choices=("text", "json"), default="text")
    p.add_argument("-o", "--output", metavar="FILE", help="write to FILE")
    p.add_argument("--no-pager", action="store_true", help="straight to the terminal")
    a = p.parse_args(words[:cut])
    return common.run(lambda: _diff(a, *_sides(a.dirs, second)))


def _sides(first: list[str], second: list[str] | None) -> tuple[list[str], list[str]]:
    if second is not None:
        if not first or not second:
            raise opts.OptionError("-- stands between the recordings of A and those of B")
        return first, second
    if len(first) > 2:
        raise opts.OptionError(f"{len(first)} recordings: put -- between those of A and those of B")
    before = first[0] if first else folder.DEFAULT + ".old"
    return [before], [first[1] if len(first) > 1 else folder.DEFAULT]


def _diff(a: Namespace, before: list[str], after: list[str]) -> int:
    filters = common.patterns_of(a)
    filters["depth"] = filters["depth"] or None
    most_calls = _limit("--max-calls", a.max_calls, None)
    most_total = _limit("--max-total", a.max_total, opts.checked_duration)
    terminal = not a.output and common.on_terminal()
    given = None if a.limit is None else opts.checked_int("--limit", a.limit, least=0)
    limit = given if given is not None else 50 if terminal and a.format == "text" else 0
    names = [*before, *after]
    recordings = [common.opened(name) for name in names]
    progress = common.Progress(sum(each.events_total() for each in recordings))
    sides = [
        compare.Side(part, filters, progress)
        for part in (recordings[: len(before)], recordings[len(before) :])
    ]
    changes = compare.functions(*sides)
    shown = list(compare.paths(*sides)) if a.paths else changes
    progress.end()
    if a.format == "json":
        text = _json(shown, changes) + "\n"
    else:
        rows = _tree(shown) if a.paths else _table(_sorted(shown, a.sort), limit)
        text = "\n".join([*rows, "", _summary(changes)]) + "\n"
    with (
        common.output(a.output, not a.no_pager and a.format == "text") as fd,
        open(fd, "w", encoding="utf-8", errors="backslashreplace", closefd=False) as file,
    ):
        file.write(text)
    limits = most_calls is not None or most_total is not None
    status = _state(names, recordings, limits)
    exceeded = [*_more_calls(changes, most_calls), *_more_total(changes, most_total)]
    for line in _explained(exceeded, sides):
        common.refuse(line, 3)
    return status or (3 if exceeded else 0)


# ---- limits --------------------------------------------------------------------------------------

Limit = Callable[[int], float]  # the most that may be, by what was


def _limit(option: str, text: str | None, also: Callable[[str], int] | None) -> Limit | None:
    if text is None:
        return None
    match = LIMIT.fullmatch(text)
    if match:
        number, percent = int(match[1]), match[2]
        if percent:
            return lambda was: was * (1 + number / 100)
        if also is None:
            return lambda was: was + number
    if also is not None and text.startswith("+"):
        ns = also(text[1:])
        return lambda was: was + ns
    wanted = "+TIME or +N%" if also else "+N or +N%"
    raise opts.OptionError(f"{option} takes {wanted}, not '{text}'")


def _more_calls(changes: list[Change], most: Limit | None) -> list[tuple[str, Change | None]]:
    if most is None:
        return []
    found: list[tuple[str, Change | None]] = []
    for change in _sorted(changes, "change"):
        was, now = (side.calls if side else 0 for side in (change.a, change.b))
        if now > most(was):
            name = f"{change.module}.{change.function}"
            found.append((f"{name} is called more often: {_number(was, now)}", change))
    return found


def _more_total(changes: list[Change], most: Limit | None) -> list[tuple[str, Change | None]]:
    was, now = _traced(changes)
    if most is None or now <= most(was):
        return []
    return [(f"it takes longer: {_time(was, now)}", None)]


def _explained(
    exceeded: list[tuple[str, Change | None]], sides: list[compare.Side]
) -> Iterable[str]:
    """Each with who calls: the chains are looked at only when a limit is exceeded."""
    chains = list(compare.paths(*sides)) if any(change for _, change in exceeded) else []
    for text, change in exceeded[:20]:
        who = [
            f"{caller or 'the top level'} {_number(was, now)}"
            for caller, was, now in (compare.callers(chains, change) if change else [])
            if was != now
        ]
        more = f"; by {', '.join(who[:4])}{', ...' if len(who) > 4 else ''}" if who else ""
        yield text + more
    if len(exceeded) > 20:
        yield f"and {len(exceeded) - 20} functions more"


def _state(names: list[str], recordings: list[Recording], limits: bool) -> int:
    """What is damaged or missing; with limits nothing may be, else they would judge less."""
    status = 0
    for name, recording in zip(names, recordings, strict=True):
        status |= common.status_of(recording, name)
        if limits and recording.missing():
            status |= common.refuse(f"cannot judge: events of {name} are missing", 1)
    return status


# ---- text ----------------------------------------------------------------------------------------


def _sorted(changes: list[Change], by: str) -> list[Change]:
    def key(change: Change) -> tuple[float, ...]:
        calls, total = -abs(change.calls), -abs(change.total_ns)
        return {
            "change": (calls == 0, calls, total), "calls": (calls, total), "total": (total,),
            "self": (-abs(change.self_ns),), "name": (),
        }[by]  # fmt: skip

    by_name = sorted(changes, key=lambda change: (change.function, change.module, change.line))
    return sorted(by_name, key=key)


def _number(was: int, now: int) -> str:
    return f"{was} -> {now} ({now - was:+})" if was != now else str(was)


def _time(was: int, now: int) -> str:
    change = f" ({now / was - 1:+.0%})" if was else ""
    return f"{time_text(was)} -> {time_text(now)}{change}"


def _calls(change: Change) -> str:
    was, now = change.a, change.b
    if was is None or now is None:
        return f"new: {now.calls}" if now else f"gone: {was.calls if was else 0}"
    differ = " ".join(name for name, side in (("A", was), ("B", now)) if side.calls_differ)
    return _number(was.calls, now.calls) + (f", differ in {differ}" if differ else "")


def _times(change: Change, which: str) -> str:
    was, now = (getattr(side, which) if side else 0 for side in (change.a, change.b))
    if change.a is None or change.b is None:
        return time_text(was or now)
    return _time(was, now) + _spread(change.a, change.b, which)


def _spread(a: Figures | None, b: Figures | None, which: str) -> str:
    """Half of what lies between the runs of a side, of several."""
    if which != "total_ns" or a is None or b is None or not (a.spread_ns or b.spread_ns):
        return ""
    parts = [f"{side.spread_ns / 2 / (side.total_ns or 1):.0%}" for side in (a, b)]
    return f" +-{parts[0]}, {parts[1]}"


def _where(change: Change) -> str:
    return f"{change.file.rpartition('/')[2]}:{change.line}" if change.file else change.module


def _table(changes: list[Change], limit: int) -> list[str]:
    shown = changes[:limit] if limit else changes
    rows = [("Function Name", "Calls", "Total Execution Time", "Self Time", "Where")]
    rows += [
        (change.function, _calls(change), _times(change, "total_ns"), _times(change, "self_ns"),
         _where(change))
        for change in shown
    ]  # fmt: skip
    cells = [[opts.printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = [
        "  | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    if len(shown) < len(changes):
        lines.append(f"... {len(changes) - len(shown)} more (--limit 0)")
    return lines


def _tree(changes: list[Change]) -> list[str]:
    """Chains with other calls than before, and the callers that lead to them."""
    wanted: list[Change] = []
    leads_to = -1  # the depth of the caller of what was wanted last; callers come before
    for change in reversed(changes):
        if change.calls or change.a is None or change.b is None or change.depth == leads_to:
            wanted.append(change)
            leads_to = change.depth - 1
    rows = [("Calls", "Total Execution Time", "Function")]
    rows += [
        (_calls(change), _times(change, "total_ns"),
         "  " * min(change.depth, 60) + opts.printable(change.function))
        for change in reversed(wanted)
    ]  # fmt: skip
    if len(rows) == 1:
        return ["Every call path has as many calls as before."]
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    return [f"{calls:<{widths[0]}}  {total:<{widths[1]}}  {name}" for calls, total, name in rows]


def _traced(changes: list[Change]) -> tuple[int, int]:
    """The time of all that is compared, on each side, in ns."""
    was = sum(change.a.self_ns for change in changes if change.a)
    return was, sum(change.b.self_ns for change in changes if change.b)


def _summary(changes: list[Change]) -> str:
    new = sum(change.a is None for change in changes)
    gone = sum(change.b is None for change in changes)
    other = sum(bool(c.calls) for c in changes if c.a is not None and c.b is not None)
    alike = len(changes) - new - gone - other
    was = sum(change.a.calls for change in changes if change.a)
    now = sum(change.b.calls for change in changes if change.b)
    return (
        f"functions: {new} new, {gone} gone, {other} called more or less often, {alike} alike;"
        f" calls: {_number(was, now)}; time: {_time(*_traced(changes))}"
    )


# ---- JSON ----------------------------------------------------------------------------------------


def _json(shown: list[Change], changes: list[Change]) -> str:
    was, now = _traced(changes)
    rows = [
        {
            "path": list(change.path), "function": change.function, "module": change.module,
            "file": change.file, "line": change.line,
            "a": change.a._asdict() if change.a else None,
            "b": change.b._asdict() if change.b else None,
            "calls": change.calls, "total_ns": change.total_ns, "self_ns": change.self_ns,
        }
        for change in shown
    ]  # fmt: skip
    whole = {"self_ns_a": was, "self_ns_b": now, "rows": rows}
    return json.dumps(whole, indent=1).encode("utf-8", "replace").decode()
