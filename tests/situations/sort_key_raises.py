def key(x):
    if x == 1:
        raise ValueError(x)
    return x


def main():
    for _ in range(3):
        try:
            sorted([2, 1], key=key)
        except ValueError as e:
            print("caught", e)
    print(sorted([3, 2], key=lambda v: -v), max([1, 5], key=key if False else abs))


main()
