"""Function tracer for CPython 3.12+ on sys.monitoring (PEP 669): ftrace for Python.

- ``@pyftrace.trace``, ``pyftrace.trace(func)``: print the tree of each call
- ``with pyftrace.trace(depth=3): ...``: print the tree of a block
- ``with pyftrace.report() as r: ...``: times per function; ``print(r)``, ``r.rows``,
  ``r.calls("app.db.query")``
- ``with pyftrace.record("run.data"): ...``: write a recording
- ``pyftrace.open("run.data")``: read it
- ``pyftrace.start()``, ``pyftrace.stop()``: across notebook cells
- ``%load_ext pyftrace``, then ``%pyftrace expression`` and ``%%pyftrace`` in notebooks

Keywords are the command line's options: ``pyftrace -h`` lists them.

(PYTEST_DONT_REWRITE: no assert here is pytest's to rewrite, which it would complain of when it is
itself traced.)
"""

from pyftrace._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyftrace.api import report, start, stop, trace
    from pyftrace.recorder import record
    from pyftrace.recording import Event, Node, Recording
    from pyftrace.recording import Recording as open
    from pyftrace.totals import Report

__all__ = [
    "Event", "Node", "Recording", "Report", "__version__", "open", "record", "report", "start",
    "stop", "trace",
]  # fmt: skip


def __getattr__(name: str) -> object:
    # Loaded when first used: a traced program that does not use the API pays nothing for it.
    if name in ("trace", "start", "stop", "report"):
        from pyftrace import api

        return getattr(api, name)
    if name == "record":
        from pyftrace.recorder import record

        return record
    if name in ("open", "Recording", "Event", "Node"):
        from pyftrace import recording

        return getattr(recording, "Recording" if name == "open" else name)
    if name in ("load_ipython_extension", "unload_ipython_extension"):
        from pyftrace import notebook

        return getattr(notebook, name)
    if name == "Report":
        from pyftrace.totals import Report

        return Report
    raise AttributeError(f"module 'pyftrace' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
