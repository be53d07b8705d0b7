import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "site-packages"))

import lib  # noqa: E402


def mine():
    return 1


def helper():
    return 2


lib.outer(mine)
helper()
