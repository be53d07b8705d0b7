"""10^8 events, deep and flat, to be recorded for bench/tui.py."""


def leaf():
    pass


def flat(n):
    for _ in range(n):
        leaf()


def deep(n):
    leaf()
    if n:
        deep(n - 1)


def request(n):
    for _ in range(n):
        flat(100)


def main():
    flat(20_000_000)
    for _ in range(200):
        deep(500)
    for _ in range(40):
        request(5000)
    flat(10_000_000)


main()
