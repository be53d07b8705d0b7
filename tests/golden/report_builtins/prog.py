def f():
    return sorted([3, 1], key=abs)


f()
len("x")
