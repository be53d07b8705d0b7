add = lambda x: x + 1  # noqa: E731


def make(n):
    return lambda x: x * n


add(1)
make(3)(2)
