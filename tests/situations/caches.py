import functools


@functools.cache
def square(x):
    return x * x


@functools.singledispatch
def show(x):
    return "object"


@show.register
def _(x: int):
    return "int"


class Lazy:
    @functools.cached_property
    def value(self):
        return 42

    @property
    def prop(self):
        return self.value

    @staticmethod
    def static():
        return "s"

    @classmethod
    def cls(cls):
        return cls.__name__

    def __private(self):
        return "private"

    def call(self):
        return self.__private()


def main():
    print(square(3), square(3), square(4), square.cache_info())
    print(show(1), show("x"), functools.partial(square, 5)())
    lazy = Lazy()
    print(lazy.prop, lazy.prop, Lazy.static(), lazy.cls(), lazy.call())
    print(functools.reduce(lambda a, b: a + b, [1, 2, 3]))


main()
