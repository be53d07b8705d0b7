from app import cache


def query(n):
    return cache.get(n) if n == 2 else n
