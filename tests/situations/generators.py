def gen():
    try:
        yield 1
        yield 2
    finally:
        helper("closing")


def helper(x):
    print(x)


def stubborn():
    try:
        yield 1
    except GeneratorExit:
        yield 2


def outer():
    result = yield from gen()
    return result


def main():
    g = gen()
    next(g)
    g.close()
    g = gen()
    next(g)
    del g
    g = gen()
    try:
        g.throw(ValueError("unstarted"))
    except ValueError as e:
        print("thrown", e)
    g = outer()
    next(g)
    try:
        g.throw(KeyError("through"))
    except KeyError as e:
        print("through", e)
    s = stubborn()
    next(s)
    try:
        s.close()
    except RuntimeError as e:
        print(e)
    unstarted = gen()
    unstarted.close()
    print(list(outer()), sum(x for x in gen()))


main()
