import contextlib


@contextlib.contextmanager
def managed(name):
    print("enter", name)
    try:
        yield name
    except KeyError:
        print("suppressed in", name)
    finally:
        print("exit", name)


class Suppress:
    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return True


def returns_in_finally():
    try:
        raise ValueError
    finally:
        return 5  # noqa: B012


def main():
    with managed("a"):
        raise KeyError
    with Suppress():
        raise OSError("hidden")
    with contextlib.ExitStack() as stack:
        stack.enter_context(managed("b"))
        stack.callback(print, "called back")
    try:
        with managed("c"):
            raise TypeError("not mine")
    except TypeError as e:
        print(e)


import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    main()
print(returns_in_finally())
