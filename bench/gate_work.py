"""What bench/gate.py measures, in a process of its own; small, as callgrind runs it too.

gate_work.py marks WORKLOAD MODE...     each mode, what counts between two calls of getsid(0)
gate_work.py run WORKLOAD MODE TIMES    one mode, so many times
gate_work.py sizes WORKLOAD TIMES...    events and bytes of a recording, bytes of the tree
"""

import gc
import os
import sys
from functools import partial

import workloads

from pyftrace import _boot, _engine

WARM = 3  # runs before what is measured: definitions, the interpreter's own specialisation
MEASURED = 3

WORK = {
    "fib": partial(workloads.fib, 15),
    "methods": partial(workloads.methods, 500),
    "c calls": partial(workloads.ccalls, 1000),
    "generators": partial(workloads.generators, 1500),
    "coroutines": partial(workloads.coroutines, 700),
    "exceptions": partial(workloads.exceptions, 700),
    "recursion": partial(workloads.recursion, 900, 1),
}


class Untraced:
    def attach(self):
        pass

    flush = close = attach


def tap_of(mode, workload, name):
    reach = "direct" if workload == "c calls" else "none"  # -v
    scope = {"libs": reach, "builtins": reach}
    if mode == "untraced":
        return Untraced()
    if mode == "record":
        run = _engine.create_run(name, os.getpid())
        return _engine.Tap("record", folder=name, run=run, values="none", **scope)
    return _engine.Tap(mode, **({"file": name} if mode == "text" else {}), **scope)


# Kept, so that all that comes lies elsewhere.
LAYOUT = [bytes(16 * (i % 29)) for i in range(997 * int(os.environ.get("GATE_LAYOUT", "0")))]


def repeat(work, times):
    for _ in range(times):
        work()


def marks(workload, *modes):
    work = WORK[workload]
    for mode in modes:
        tap = tap_of(mode, workload, f"marks.{mode}")
        tap.attach()
        repeat(work, WARM)
        tap.flush()
        gc.collect()  # or when the next one comes depends on start-up
        os.getsid(0)
        repeat(work, MEASURED)
        tap.flush()
        os.getsid(0)
        tap.close()


def run(workload, mode, times):
    tap = tap_of(mode, workload, f"run.{mode}")
    tap.attach()
    repeat(WORK[workload], int(times))
    tap.close()


def sizes(workload, *lengths):
    import pyftrace

    for times in lengths:
        run(workload, "record", times)
        run(workload, "text", times)
        info = pyftrace.open("run.record").info
        print(info["events"], info["bytes"], os.path.getsize("run.text"))
        os.rename("run.record", f"old.{times}")


_engine.set_paths(_boot.library_folders(), _boot.own_folders())
{"marks": marks, "run": run, "sizes": sizes}[sys.argv[1]](*sys.argv[2:])
