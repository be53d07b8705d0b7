"""The entry point of ``pyftrace.start`` (PEP 829, Python 3.15 and later): every start of Python
calls it, so it does nothing but look for the variable."""

import os


def start() -> None:
    """Arm the engine if PYFTRACE asks for it."""
    if "PYFTRACE" in os.environ:
        from pyftrace import _boot

        _boot.start()
