from functools import lru_cache


@lru_cache(maxsize=None)
def square(n):
    return n * n


square(2)
square(2)
square(3)
