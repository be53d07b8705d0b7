TEXT = "def outer(f):\n    return inner(f)\n\ndef inner(f):\n    return abs(f(-1))\n"
space = {}
exec(TEXT, space)


def back(x):
    return x


space["outer"](back)
