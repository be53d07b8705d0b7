"""Starts and stops tracing while 8 threads call, yield, raise and change what is looked at.

Counts must be exact, every tree and recording whole, and without the GIL it must stay off. On a
Python built with ThreadSanitizer a report that names the extension fails; others are CPython's own
and are counted. `make races`; PYTHON names the one to try."""

import os
import re
import sys
import sysconfig
from pathlib import Path

from common import Figures, expect, folder, how_many, python, say_status

PROGRAM = '''\
"""ROUNDS of each way to trace, under THREADS threads that go on all the while."""
import gc, io, sys, threading
import pyftrace

rounds, THREADS, CALLS = int(sys.argv[1]), 8, 200
shared = {"list": [1, 2, 3], "dict": {"a": 1}, "set": {1}}
over = threading.Event()


class Point:
    def __init__(self, x): self.x = x
    def __str__(self):
        with lock:
            return str(self.x)


lock = threading.Lock()


def leaf(x): return x
def gen(n):
    try:
        for k in range(n):
            yield leaf(k)
    finally:
        leaf(n)
def fails(n): raise ValueError(n)
def change(n, what=None):
    what["list"].append(n)
    what["dict"][n] = n
    if len(what["list"]) > 50:
        what["list"].clear(); what["dict"].clear(); what["set"].clear()
    what["set"].add(n)
    return what["list"]
def made(n):
    exec(f"def f(): return {n}", scope := {})
    return scope["f"]()


def busy():
    n = 0
    while not over.is_set():
        n += 1
        leaf(n)
        for k in gen(3): pass
        g = gen(2); next(g); g.close()
        try: fails(n)
        except ValueError: pass
        change(n, shared)
        leaf(Point(n))
        with lock: leaf(n)
        if n % 20 == 0: made(n % 100)


def together(function, most=THREADS):
    """function() in so many threads that begin at once; what each of them gave."""
    gate, found = threading.Barrier(most), []
    def one():
        gate.wait()
        found.append(function())
    threads = [threading.Thread(target=one) for _ in range(most)]
    for t in threads: t.start()
    for t in threads: t.join()
    return found


def burst():
    for n in range(CALLS): counted(n)
def counted(n): return n


@pyftrace.trace(file=io.StringIO())
def traced(n): return [leaf(n), list(gen(3))]


others = [threading.Thread(target=busy) for _ in range(THREADS - 2)]
for t in others: t.start()
try:
    for n in range(rounds):
        with pyftrace.report(function="counted", threads="all") as r:
            together(burst, 4)
        assert r.calls("counted") == 4 * CALLS, (r.calls("counted"), 4 * CALLS)
        text = io.StringIO()
        pyftrace.start(args=True, values=("safe", "str")[n % 2], file=text)
        together(burst, 2)
        pyftrace.stop()
        lines = text.getvalue().splitlines()
        assert sum("Called counted" in line for line in lines) == 2 * CALLS
        with pyftrace.record(f"data{n}", args=True, values="safe", threads="all"):
            together(burst, 2)
        recording = pyftrace.open(f"data{n}")
        assert recording.damage == [] and recording.missing() == 0
        assert recording.report().calls("counted") == 2 * CALLS
        together(lambda: traced(3), 4)
        gc.collect()
finally:
    over.set()
    for t in others: t.join()
pyftrace.stop()
gil = getattr(sys, "_is_gil_enabled", lambda: True)()
print("GIL", gil, sys.monitoring.get_events(3))
'''

REPORT = re.compile(r"WARNING: ThreadSanitizer: .*?(?=\n={18}\n|\Z)", re.DOTALL)


def sanitizer_options() -> dict[str, str]:
    """CPython's own list of what it knows of its races, where it was kept."""
    known = Path(sys.base_prefix, "share", "tsan-suppressions")
    suppressions = f"suppressions={known} " if known.exists() else ""
    return {"TSAN_OPTIONS": f"{suppressions}exitcode=0 history_size=4"}


def run(place: Path, rounds: int, figures: Figures) -> None:
    done = python("races.py", rounds, cwd=place, **sanitizer_options())
    reports = REPORT.findall(done.stderr)
    ours = [report for report in reports if "_engine" in report]
    row = "rounds of starting and stopping"
    if reports:
        figures.note(row, f"{len(reports)} reports of the sanitizer, {len(ours)} name us")
    expect(not ours, ours[0][:3000] if ours else "")
    rest = REPORT.sub("", done.stderr)
    expect(done.returncode == 0, f"{say_status(done.returncode)}: {rest[-1500:]}")
    gil = "False" if sysconfig.get_config_var("Py_GIL_DISABLED") else "True"
    expect(done.stdout == f"GIL {gil} 0\n", done.stdout)


def main() -> int:
    times = how_many(__doc__, 5)
    figures = Figures(f"races, Python {sys.version.split()[0]}")
    with folder() as place:
        (place / "races.py").write_text(PROGRAM)
        for n in range(max(1, times // 5)):
            with figures.one("rounds of starting and stopping", n):
                run(place, min(times, 5), figures)
    return figures.end()


if __name__ == "__main__":
    os.environ.pop("PYTHON_GIL", None)  # asked for, it would be on by the user's wish
    sys.exit(main())
