def gen():
    yield 1
    yield 2


def fact(n):
    return 1 if n == 0 else n * fact(n - 1)


list(gen())
fact(3)
(lambda: 0)()
