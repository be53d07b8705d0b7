def f(value):
    return value


f("abcdefgh")
f("abcdefghi")
f([1, 2, 3])
f([1, 2, 3, 4])
f({"key": "value"})
