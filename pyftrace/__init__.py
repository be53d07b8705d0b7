"""Function tracer for CPython 3.12+ on sys.monitoring (PEP 669): ftrace for Python.

    @pyftrace.trace                     # decorator: prints the tree of each call traced =
    pyftrace.trace(func)       # wrapper with pyftrace.trace(depth=3): ...   # context manager with
    pyftrace.report() as r: ...    # times per function: print(r), r.rows, r.calls("app.db.query")
    pyftrace.start(); pyftrace.stop()   # across notebook cells

Keywords are the command line's options: ``pyftrace -h`` lists them.
"""

from pyftrace._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyftrace.api import report, start, stop, trace
    from pyftrace.totals import Report

__all__ = ["Report", "__version__", "report", "start", "stop", "trace"]


def __getattr__(name: str) -> object:
    # Loaded when first used: a traced program that does not use the API pays nothing for it.
    if name in ("trace", "start", "stop", "report"):
        from pyftrace import api

        return getattr(api, name)
    if name == "Report":
        from pyftrace.totals import Report

        return Report
    raise AttributeError(f"module 'pyftrace' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
