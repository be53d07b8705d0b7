def outer():
    def inner(x):
        return x

    return inner(5)


outer()
