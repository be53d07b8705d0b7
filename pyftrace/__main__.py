"""``python -m pyftrace`` and the console script."""

import sys


def main() -> int:
    """Run the command line; returns the exit status."""
    try:
        from pyftrace.cli import run

        return run(sys.argv[1:])
    except MemoryError:
        print("pyftrace: out of memory", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
