import lib


def back(x):
    return lib.double(x)


lib.apply(back)
