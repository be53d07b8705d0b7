from contextlib import contextmanager


class Guard:
    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        return kind is KeyError


@contextmanager
def log(name):
    try:
        yield name
    except ValueError:
        print("logged")


with Guard():
    raise KeyError("k")

with log("a") as name:
    raise ValueError(name)
