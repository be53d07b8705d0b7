def outer(a):
    return inner(a) + inner(a + 1)


def inner(b):
    return b * 2


print("before")
outer(1)
print("after")
