"""``python -m pyftrace`` and the console script."""

import sys


def main() -> int:
    """Run the command line; returns the exit status."""
    import _signal  # type: ignore[import-not-found, unused-ignore]

    # Ctrl-C ends a command as it ends others, without a traceback of whatever it was importing.
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    try:
        from pyftrace.cli import run

        return run(sys.argv[1:])
    except MemoryError:
        print("pyftrace: out of memory", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
