class Item:
    def __init__(self, n):
        self.n = check(n)


def check(n):
    if n > 2:
        raise ValueError(f"too many: {n}")
    return n


for n in range(9):
    try:
        Item(n)
    except ValueError:
        break
