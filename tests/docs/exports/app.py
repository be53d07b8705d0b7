"""Something to query: two calls of handle that are slow."""

import time


def query(n):
    return n


def handle(n):
    if n:
        time.sleep(0.01)
    return [query(i) for i in range(n)]


for n in range(3):
    handle(n)
