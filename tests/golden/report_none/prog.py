def foo():
    bar()
    bar()


def bar():
    return 20


def zed():
    return 1


foo()
zed()
