def key(item):
    raise KeyError(item)


def order(items):
    return sorted(items, key=key)


try:
    order([1, 2])
except KeyError as error:
    print("caught", error)
