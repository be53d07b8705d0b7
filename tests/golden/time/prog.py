def gen():
    yield 1


def f():
    try:
        return list(gen())
    finally:
        g()


def g():
    raise ValueError("bad")


try:
    f()
except ValueError:
    pass
