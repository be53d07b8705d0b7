def f(a, /, b=2, *rest, c=3, **more):
    return a


def empty():
    return None


f(1)
f(1, "two", [3], (4,), c=None, d={"k": 5.5})
empty()
