def inner():
    yield 1


def outer():
    yield from inner()


o = outer()
next(o)
try:
    o.throw(ValueError("bad"))
except ValueError:
    print("left")
