def gen():
    yield 1


def f():
    list(gen())
    raise ValueError("bad")


try:
    f()
except ValueError:
    print("caught")
