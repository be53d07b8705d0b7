import lib


def double(x):
    return x * 2


lib.apply(double)
lib.twice(double)
