class Loud:
    def __repr__(self):
        print("repr ran")
        return "loud"

    __str__ = __repr__


class Evil:
    def __repr__(self):
        raise SystemExit(9)

    def __str__(self):
        raise SystemExit(9)

    def __getattr__(self, name):
        raise RuntimeError(name)


class Sub(int):
    def __repr__(self):
        print("sub repr ran")
        return "sub"


def give(x):
    return x


def main():
    loop = []
    loop.append(loop)
    for v in (
        Loud(),
        Evil(),
        Sub(3),
        [Loud()],
        loop,
        {1: Evil()},
        "a\x1b[31m\nb\u202e",
        b"\x00\xff",
        10**5000,
        -1.5e300,
        1j,
        {1, 2} - {2},
        frozenset([1]),
        range(3),
        ...,
        "x" * 10**6,
        ("y",) * 10**5,
        "\udc80",
        give,
        main,
        Loud,
        int,
        len,
        type(None),
        NotImplemented,
        memoryview(b"x"),
        bytearray(b"z"),
    ):
        give(v)
    print("done")


main()
