"""``pyftrace info``: what a recording holds."""

import json
import os
import time
from argparse import Namespace
from typing import Any

from pyftrace import _engine, folder
from pyftrace import options as opts
from pyftrace.cli import say
from pyftrace.commands import _common as common
from pyftrace.recording import Recording

EXAMPLES = """\
  pyftrace info
  pyftrace info --json run.data | jq .events
"""
MANY = 20


def parser() -> common.Parser:
    """What it takes."""
    p = common.parser("info", "What was recorded, when, how much of it, and whether all.", EXAMPLES)
    p.add_argument("--json", action="store_true", help="as one JSON object")
    return p


def main(words: list[str]) -> int:
    """The exit status."""
    a = parser().parse_args(words)
    return common.run(lambda: _info(a))


def _info(a: Namespace) -> int:
    parts = folder.parts(a.dir)
    if len(parts) > 1:
        return _flight(a, parts)
    recording = common.opened(a.dir)
    found = recording.info
    if a.json:
        say(json.dumps(found, indent=1) + "\n")
    else:
        say("\n".join(lines(recording, found)) + "\n")
    if recording.damage:
        return common.status_of(recording)
    return 0


def _flight(a: Namespace, parts: list[str]) -> int:
    """What a flight recorder's directory holds: a line for each of its recordings."""
    found = {name: common.opened(os.path.join(a.dir, name)) for name in parts}
    if a.json:
        say(json.dumps({name: one.info for name, one in found.items()}, indent=1) + "\n")
        return 0
    width = max(map(len, parts))
    for name, one in found.items():
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.run["wall_ns"] / 1e9))
        why = one.dumped or "a ring: " + (one.why_incomplete() or ["it was not dumped"])[-1]
        line = f"{name:{width}}  from {began}  {one.events_total():>9,} events  {why}"
        say(opts.printable(line) + "\n")
    last = os.path.join(a.dir, folder.chosen(parts))
    say(f"to see one: pyftrace replay {opts.shell_word(last)}\n")
    return 0


def size(count: int) -> str:
    """1.5 MiB"""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{count} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def command_line(text: str) -> str:
    """A command as a shell would read it, from what options.join() made."""
    try:
        words = opts.split(text)
    except opts.OptionError:
        return opts.printable(text)
    return " ".join(opts.shell_word(word) for word in words)


def lines(recording: Recording, found: dict[str, Any]) -> list[str]:
    """The text, line by line."""
    rows = [f"{label:<13}{text}" for label, text in state_rows(recording, found)]
    return [opts.printable(line) for line in rows + process_lines(recording, found)]


def state_rows(recording: Recording, found: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, text) of the whole; a further line of the one before it has no label."""
    facts = found["facts"]
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found["wall_ns"] / 1e9))
    processes = found["processes"]
    ended = max((p["ended_ns"] for p in processes), default=0)
    each = found["bytes"] / max(found["events"], 1)
    # More than a record can take is a ring's reserved room, or names beside a few calls.
    average = f" ({each:.2f} bytes an event)" if 0 < each < 64 else ""
    return [
        ("recording", os.path.abspath(recording.path)),
        ("state", found["state"]),
        *(("", reason) for reason in found["why"]),
        *([("dumped", recording.dumped)] if recording.dumped else []),
        ("command", command_line(facts.get("command", "?"))),
        ("directory", facts.get("cwd", "?")),
        ("began", began + _lasted(ended, is_running(recording, found))),
        ("made by", f"pyftrace {facts.get('pyftrace', '?')}, Python {facts.get('python', '?')}"
         f" on {facts.get('host', '?')}; format {found['version']}"),
        ("size", f"{size(found['bytes'])}{average}"),
        ("events", f"{found['events']:,}, {found['missing']:,} missing"),
        ("processes", f"{len({p['pid'] for p in processes})}, threads {len(found['threads'])}"),
    ]  # fmt: skip


def process_lines(recording: Recording, found: dict[str, Any]) -> list[str]:
    """Of each process how it ended, and its command."""
    processes, running = found["processes"], is_running(recording, found)
    by_process: dict[int, list[dict[str, Any]]] = {}
    for thread in found["threads"]:
        by_process.setdefault(thread["process"], []).append(thread)
    text = []
    for i, process in enumerate(processes[:MANY]):
        own = by_process.get(i, [])
        events = sum(thread["events"] for thread in own)
        command = command_line(process["facts"].get("command", "?"))
        text.append(
            f"  pid {process['pid']}{_kind(process)}: {events:,} events in {len(own)}"
            f" thread{'s' if len(own) != 1 else ''}; {_end(processes, i, running)}"
        )
        if not process["forked"]:
            text.append(f"    {command}")
    if len(processes) > MANY:
        text.append(f"  ... {len(processes) - MANY} more (--json has all)")
    return text


def is_running(recording: Recording, found: dict[str, Any]) -> set[int]:
    """The processes without an end mark that go on, by their pids."""
    first = found["pid"]
    ended = {p["pid"] for p in found["processes"] if p["ended_ns"] and not p["interpreter"]}
    if first in ended or not _engine.read_run(recording.path)[2]:
        return set()
    return {first}


def _lasted(ended: int, running: set[int]) -> str:
    if running:
        return ", still running"
    return f", ended {ended / 1e9:.3f} s later" if ended else ""


def _kind(process: dict[str, Any]) -> str:
    if process["interpreter"]:
        return f" (sub-interpreter {process['interpreter']})"
    return f" (forked by {process['parent']})" if process["forked"] else ""


def _end(processes: list[dict[str, Any]], i: int, running: set[int]) -> str:
    process = processes[i]
    if process["error"]:
        return f"stopped recording: {process['error']}"
    if process["signal"]:
        return f"killed by signal {process['signal']}"
    if process["ended_ns"]:
        return f"recorded for {(process['ended_ns'] - process['began_ns']) / 1e9:.3f} s"
    later = (p for p in processes[i + 1 :] if p["pid"] == process["pid"])
    if any(not p["interpreter"] for p in later):
        return "no end mark: became another program (exec)"
    if process["pid"] in running:
        return "still running"
    return "no end mark: os._exit or killed"
