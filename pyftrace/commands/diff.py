"""``pyftrace diff``: what is called more often, or takes longer, than before."""

import json
import os
import re
from argparse import Namespace
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from pyftrace import compare, folder
from pyftrace import options as opts
from pyftrace.commands import _common as common
from pyftrace.commands.graph import time_text
from pyftrace.compare import Change, Comparison
from pyftrace.recording import Recording

EXAMPLES = """\
  pyftrace diff                              the last recording and the one before it
  pyftrace diff before.data after.data       function by function
  pyftrace diff --paths before.data          by call path, against pyftrace.data
  pyftrace diff a1.data a2.data -- b1.data b2.data b3.data
                                             several runs a side: medians, and how they spread
  pyftrace diff -q --max-calls +0 before.data after.data
                                             exit status 3 when a function is called more often
  pyftrace diff --max-total +10% -f app.index before.data after.data
"""
SORT = ("change", "calls", "total", "self", "name")
AMOUNT = re.compile(r"\+([0-9]{1,18})")
PERCENT = re.compile(r"\+([0-9]{1,9}(?:\.[0-9]{1,9})?)%")
TIME = re.compile(r"\+([0-9.]{1,18}(?:ns|us|ms|s))")
NAMED = 20  # functions that are named when they exceed a limit
WIDEST = 60  # of a name in the table
BETWEEN = "\0--"  # no file's name


def parser() -> common.Parser:
    """What it takes."""
    p = common.bare_parser(
        "diff",
        "Compare recordings: A, before, and B, after. Functions are known by module\n"
        "and name, wherever their lines have moved to. Several on each side, with --\n"
        "between: medians. Exit status 3 when a limit is exceeded; 1 when a recording\n"
        "is not COMPLETE and there is a limit.",
        EXAMPLES,
    )
    p.add_argument(
        "dirs", nargs="*", metavar="DIR",
        help=f"A and B ({folder.DEFAULT}.old and {folder.DEFAULT})",
    )  # fmt: skip
    common.add_patterns(p.add_argument_group("which part"))
    group = p.add_argument_group("limits")
    group.add_argument(
        "--max-calls", metavar="+N|+N%", help="how much more often each function may be called"
    )
    group.add_argument(
        "--max-total", metavar="+TIME|+N%", help="how much longer all that is compared may take"
    )
    p.add_argument("--paths", action="store_true",
                   help="by call path: those with other calls (JSON: all)")  # fmt: skip
    p.add_argument(
        "--sort", choices=SORT, metavar="KEY", help="by " + " ".join(SORT) + " (change: by calls,"
        " then time)",
    )  # fmt: skip
    p.add_argument("--limit", metavar="N", help="N rows (0: all; 50 on a terminal)")
    p.add_argument(
        "--format", choices=("text", "json"), default="text", metavar="FORMAT", help="text or json"
    )
    p.add_argument("-o", "--output", metavar="FILE", help="write to FILE")
    p.add_argument("-q", "--quiet", action="store_true", help="only what exceeds a limit")
    p.add_argument("--no-pager", action="store_true", help="straight to the terminal")
    return p


def main(words: list[str]) -> int:
    """The exit status; 3 when a limit is exceeded."""
    a = parser().parse_intermixed_args(marked(words))
    return common.run(lambda: _diff(a, *sides(a.dirs)))


def marked(words: list[str]) -> list[str]:
    """The words with what :func:`sides` knows a ``--`` by, which a parser takes away."""
    return [BETWEEN if word == "--" else word for word in words]


def sides(dirs: list[str]) -> tuple[list[str], list[str]]:
    """The recordings of A and of B; OptionError when they cannot be told apart."""
    if BETWEEN in dirs:
        at = dirs.index(BETWEEN)
        before, after = dirs[:at], dirs[at + 1 :]
        if not before or not after or BETWEEN in after:
            raise opts.OptionError("-- stands between the recordings of A and those of B")
        return before, after
    if len(dirs) > 2:
        raise opts.OptionError(f"{len(dirs)} recordings: put -- between those of A and those of B")
    old = folder.DEFAULT + ".old"
    if not dirs and os.path.isdir(folder.DEFAULT) and not os.path.exists(old):
        raise opts.OptionError(f"there is no earlier recording ({old}): record once more")
    return dirs[:1] or [old], dirs[1:] or [folder.DEFAULT]


def _diff(a: Namespace, before: list[str], after: list[str]) -> int:
    filters = common.patterns_of(a)
    filters["depth"] = filters["depth"] or None
    most_calls, most_total = _limit("--max-calls", a.max_calls), _limit("--max-total", a.max_total)
    limit = _rows(a)
    names = [*before, *after]
    recordings = [common.opened(name) for name in names]
    progress = common.Progress(sum(each.events_total() for each in recordings))
    split = len(before)
    found = Comparison(recordings[:split], recordings[split:], filters, progress)
    changes = found.functions()
    exceeded = [
        *_more_calls(changes, most_calls, a.max_calls),
        *_more_total(found, most_total, a.max_total),
    ]
    # Who calls is looked for only where a limit is exceeded.
    paths = list(found.paths()) if a.paths or any(change for _, change in exceeded) else []
    progress.end()
    if not a.quiet:
        shown = paths if a.paths else _sorted(changes, a.sort or "change")[: limit or None]
        text = (
            _json(shown, found, exceeded, names, split) if a.format == "json"
            else _text(shown, changes, found, a.paths)
        )  # fmt: skip
        try:
            common.write(text, a.output, not a.no_pager and a.format == "text")
        except BrokenPipeError:
            pass  # who reads no further still wants the status
    part = any(filters.values())
    for line in _explained(exceeded, paths, part):
        common.refuse(line, 3)
    limits = most_calls is not None or most_total is not None
    status = state(names, recordings, found.unmatched(), limits)
    return status or (3 if exceeded else 0)


def _rows(a: Namespace) -> int:
    for option in ("limit", "sort"):
        if a.paths and getattr(a, option) is not None:
            raise opts.OptionError(f"--{option} does not go with --paths")
    if a.limit is not None:
        return opts.checked_int("--limit", a.limit, least=0)
    return 50 if not a.output and common.on_terminal() and a.format == "text" else 0


# ---- limits --------------------------------------------------------------------------------------

Limit = Callable[[int], Fraction | int]  # the most that may be, by what was


def _limit(option: str, text: str | None) -> Limit | None:
    if text is None:
        return None
    percent = PERCENT.fullmatch(text)
    if percent:
        factor = 1 + Fraction(percent[1]) / 100  # no float: 15 % more than 100 is 115
        return lambda was: was * factor
    calls = option == "--max-calls"
    match = (AMOUNT if calls else TIME).fullmatch(text)
    if match is None:
        wanted = "+N or +N%" if calls else "+TIME (ns, us, ms, s) or +N%"
        raise opts.OptionError(f"{option} takes {wanted}, not '{text}'")
    more = int(match[1]) if calls else opts.checked_duration(match[1])
    return lambda was: was + more


Exceeded = tuple[str, Change | None]  # a line, and the function that it is of


def _more_calls(changes: list[Change], most: Limit | None, limit: str) -> Iterator[Exceeded]:
    by_name = _sorted(changes, "name")
    for change in sorted(by_name, key=lambda c: -c.calls) if most is not None else []:
        was, now = (side.calls if side else 0 for side in (change.a, change.b))
        if most is not None and now > most(was):
            name = f"{change.module}.{change.function}"
            yield f"{name} is called more often: {_number(was, now)}, limit {limit}", change


def _more_total(found: Comparison, most: Limit | None, limit: str) -> Iterator[Exceeded]:
    was, now = found.traced_ns()
    if most is not None and now > most(was):
        yield f"it takes longer: {_time(was, now)}, limit {limit}", None


def _explained(exceeded: list[Exceeded], paths: list[Change], part: bool) -> Iterator[str]:
    """Each with who calls."""
    outermost = "what is not shown" if part else "the top level"
    for text, change in exceeded[:NAMED]:
        who = [
            f"{caller or outermost} {_number(was, now)}"
            for caller, was, now in (compare.callers(paths, change) if change else [])
            if was != now
        ]
        more = f"; by {', '.join(who[:4])}{', ...' if len(who) > 4 else ''}" if who else ""
        yield text + more
    others = len(exceeded) - NAMED
    if others > 0:
        yield f"and {others} function{'s' if others > 1 else ''} more"


def state(names: list[str], recordings: list[Recording], unmatched: list[str], limits: bool) -> int:
    """What is damaged, missing or matched by no pattern; where there are limits none of that may
    be, or they would judge less than they say."""
    status = 0
    for name, recording in zip(names, recordings, strict=True):
        damaged = common.status_of(recording, name)
        if limits and not damaged and recording.why_incomplete():
            damaged = common.refuse(f"cannot judge: {name} is not COMPLETE", 1)
        status |= damaged
    for pattern in unmatched:
        common.refuse(f"warning: nothing matched '{pattern}'", 0)
        if limits:
            status |= common.refuse(f"cannot judge: nothing matched '{pattern}'", 1)
    seen = {name: _asked_for(recording) for name, recording in zip(names, recordings, strict=True)}
    other = next((name for name in names if seen[name] != seen[names[0]]), None)
    if other is not None:
        common.refuse(
            f"note: {names[0]} was recorded with {seen[names[0]] or 'no options'}, {other} with"
            f" {seen[other] or 'none'}: one may hold what the other leaves out",
            0,
        )
    return status


def _asked_for(recording: Recording) -> str:
    """The options that decide what a recording holds."""
    try:
        words = opts.split(recording.run["facts"].get("command", ""))
    except opts.OptionError:
        return ""
    if words[1:2] != ["record"]:  # in code: the program's own words
        return ""
    kept = []
    for word in words[2:]:
        if not word.startswith("--"):
            break
        if not word.startswith(("--output", "--quiet", "--ring", "--max-size")):
            kept.append(word)
    return " ".join(sorted(kept))


# ---- text ----------------------------------------------------------------------------------------


def _sorted(changes: list[Change], by: str) -> list[Change]:
    def key(change: Change) -> tuple[float, ...]:
        calls, total = -abs(change.calls), -abs(change.total_ns)
        return {
            "change": (calls == 0, calls, total), "calls": (calls, total), "total": (total,),
            "self": (-abs(change.self_ns),), "name": (),
        }[by]  # fmt: skip

    by_name = sorted(changes, key=lambda change: (change.module, change.function, change.line))
    return sorted(by_name, key=key)


def _number(was: int, now: int) -> str:
    return f"{was} -> {now} ({now - was:+})" if was != now else str(was)


def _time(was: int, now: int) -> str:
    change = f"{now / was - 1:+.0%}" if was else "+0%"
    return f"{time_text(was)} -> {time_text(now)}" + (f" ({change})" if change[1:] != "0%" else "")


def _calls(change: Change) -> str:
    was, now = change.a, change.b
    if was is None or now is None:
        return f"new: {now.calls}" if now else f"gone: {was.calls if was else 0}"
    differ = " ".join(name for name, side in (("A", was), ("B", now)) if side.calls_differ)
    return _number(was.calls, now.calls) + (f", differ in {differ}" if differ else "")


def _total(change: Change) -> str:
    """With half of what lies between the runs of each side, where there are several."""
    was, now = change.a, change.b
    if was is None or now is None:
        return time_text((was or now).total_ns if was or now else 0)  # type: ignore[union-attr]
    spread = ""
    if (was.spread_ns or now.spread_ns) and was.total_ns and now.total_ns:
        parts = (f"{side.spread_ns / 2 / side.total_ns:.0%}" for side in (was, now))
        spread = f" +-{', '.join(parts)}"
    return _time(was.total_ns, now.total_ns) + spread


def _own(change: Change) -> str:
    was, now = (side.self_ns if side else 0 for side in (change.a, change.b))
    return _time(was, now) if change.a and change.b else time_text(was or now)


def _where(change: Change) -> str:
    return f"{change.file.rpartition('/')[2]}:{change.line}" if change.file else ""


def _name(change: Change) -> str:
    name = opts.printable(f"{change.module}.{change.function}")
    return name if len(name) <= WIDEST else name[: WIDEST - 3] + "..."


def _text(shown: list[Change], changes: list[Change], found: Comparison, paths: bool) -> str:
    rows = _tree(shown) if paths else _table(shown)
    if not paths and len(shown) < len(changes):
        rows.append(f"... {len(changes) - len(shown)} more (--limit 0)")
    return "\n".join([*rows, "", _summary(changes, found)]) + "\n"


def _table(changes: list[Change]) -> list[str]:
    rows = [("Function Name", "Calls", "Total Execution Time", "Self Time", "Where")]
    rows += [
        (_name(change), _calls(change), _total(change), _own(change),
         opts.printable(_where(change)))
        for change in changes
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return lines


def _tree(changes: list[Change]) -> list[str]:
    """Chains with other calls than before, and the callers that lead to them."""
    wanted: list[Change] = []
    leads_to = -1  # the depth of the caller of what was wanted last; callers come before
    for change in reversed(changes):
        if change.calls or change.a is None or change.b is None or change.depth == leads_to:
            wanted.append(change)
            leads_to = change.depth - 1
    rows = [("Calls", "Total Execution Time", "Function Name")]
    rows += [
        (_calls(change), _total(change), "  " * min(change.depth, 60) + _name(change))
        for change in reversed(wanted)
    ]
    if len(rows) == 1:
        return ["Every call path has as many calls as before."]
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    return [f"{calls:<{widths[0]}}  {total:<{widths[1]}}  {name}" for calls, total, name in rows]


def _summary(changes: list[Change], found: Comparison) -> str:
    new = sum(change.a is None for change in changes)
    gone = sum(change.b is None for change in changes)
    other = sum(bool(c.calls) for c in changes if c.a is not None and c.b is not None)
    alike = len(changes) - new - gone - other
    was = sum(change.a.calls for change in changes if change.a)
    now = sum(change.b.calls for change in changes if change.b)
    return (
        f"functions: {new} new, {gone} gone, {other} called more or less often, {alike} alike;"
        f" calls: {_number(was, now)}; time: {_time(*found.traced_ns())}"
    )


# ---- JSON ----------------------------------------------------------------------------------------


def _json(
    shown: list[Change],
    found: Comparison,
    exceeded: list[Exceeded],
    names: list[str],
    split: int,
) -> str:
    was, now = found.traced_ns()
    whole: dict[str, Any] = {
        "a": {"recordings": names[:split], "self_ns": was},
        "b": {"recordings": names[split:], "self_ns": now},
        "exceeded": [text for text, _ in exceeded],
        "rows": [
            {
                "path": change.path, "function": change.function, "module": change.module,
                "file": change.file, "line": change.line,
                "a": change.a._asdict() if change.a else None,
                "b": change.b._asdict() if change.b else None,
                "calls_more": change.calls, "total_ns_more": change.total_ns,
                "self_ns_more": change.self_ns,
            }
            for change in shown
        ],
    }  # fmt: skip
    return json.dumps(whole, indent=1) + "\n"
