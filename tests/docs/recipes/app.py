"""Crashes in the third call."""

import ctypes


def load(n):
    return parse(n)


def parse(n):
    return ctypes.string_at(0) if n == 3 else n


for n in (1, 2, 3):
    load(n)
