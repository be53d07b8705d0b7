def make(n):
    def inner(x, *rest, key=None, **more):
        def deepest():
            return n + x

        return deepest()

    return inner


def decorate(f):
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs)

    return wrapper


@decorate
def decorated(x):
    return [lambda: x, lambda: -x]


def main():
    print([make(i)(i, 2, 3, key="k", z=1) for i in range(4)])
    print([f() for f in decorated(3)])
    print((lambda a, b=2: a + b)(1))


main()
