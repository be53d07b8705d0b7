def double(x):
    return 2 * x


sum(double(x) for x in [1, 2])
