import lib


def back():
    return 1


lib.run(back)
