"""Recordings of the workloads: how large, and how fast they are read.

python bench/recordings.py [--events N] [--json FILE]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import workloads  # noqa: E402

LONG = "def f(n): return n\nfor n in range({calls}): f(n)\n"


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONUNBUFFERED", "PYFTRACE")}


def sizes(folder: Path) -> dict[str, float]:
    """Bytes an event, of a recording long enough that its heads do not count."""
    import pyftrace

    found = {}
    print("bytes an event:")
    for name, work in workloads.ALL.items():
        for option in ("", "-v"):
            where = folder / f"{name}{option}.data"
            block = pyftrace.record(where, verbose=1 if option else 0, threads="all")
            with block:
                for _ in range(10):
                    work()
            info = pyftrace.open(where).info
            if info["events"] > 10_000:
                each = found[f"{name} {option}".strip()] = info["bytes"] / info["events"]
                print(f"  {name + ' ' + option:<24} {each:6.2f}  ({info['events']:,} events)")
    return found


def child(words: list[str], folder: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of a command."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return time.perf_counter() - begin, int(done.stdout) / 1024


def reading(folder: Path, most: int) -> dict[str, dict[str, float]]:
    """Whole commands over recordings of growing length."""
    ours = [sys.executable, "-m", "pyftrace"]
    found: dict[str, dict[str, float]] = {}
    print("\nwhole commands, by events recorded (events a second; peak memory):")
    events = most // 100
    while events <= most:
        (folder / "app.py").write_text(LONG.format(calls=events // 2))
        row = found[str(events)] = {}
        seconds, memory = child([*ours, "record", "-q", "app.py"], folder)
        row |= {"record_s": seconds, "record_mb": memory}
        for verb, words in {
            "report": ["report"],
            "info": ["info"],
            "first page": ["replay", "--until", "100ms"],
            "dump": ["dump"] if events <= 10_000_000 else [],
        }.items():
            if words:
                seconds, memory = child([*ours, *words], folder)
                row |= {f"{verb}_s": seconds, f"{verb}_mb": memory}
        shown = ", ".join(
            f"{key[:-2]} {value:.2f} s" + (f" ({events / value / 1e6:.0f} M/s)" if key in
                                           ("report_s", "dump_s") else "")
            + f" {row[key[:-2] + '_mb']:.0f} MB"
            for key, value in row.items() if key.endswith("_s")
        )  # fmt: skip
        print(f"  {events:>11,}: {shown}")
        events *= 10
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000_000, help="of the largest recording")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = {"bytes_per_event": sizes(folder), "whole": reading(folder, options.events)}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
