def f(value):
    return value


class Plain:
    pass


class Text(str):
    pass


class Nosy:
    def __repr__(self):
        print("repr was called")
        return "nosy"

    __str__ = __repr__


for value in [
    None,
    True,
    -12,
    2.5,
    1 + 2j,
    "it's",
    'both \' and "',
    "line\nbreak\ttab \x1b[0m",
    b"ab\x00",
    bytearray(b"c"),
    (1,),
    [],
    ["a", [None]],
    {"k": (1, 2)},
    {7},
    set(),
    frozenset(),
    range(3),
    ...,
    Plain(),
    Text("t"),
    [Text("t")],
    Nosy(),
    {"n": Nosy()},
    int,
    Plain,
]:
    f(value)
