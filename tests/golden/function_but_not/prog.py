def a():
    b()
    c()


def b():
    c()
    d()


def c():
    d()


def d():
    return None


b()
a()
