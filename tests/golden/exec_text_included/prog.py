space = {}
exec("def g(f):\n    return h(f)\n\ndef h(f):\n    return f()\n", space)


def back():
    return 1


space["g"](back)
