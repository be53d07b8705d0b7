def pairs():
    yield 1, 2
    yield "x"


def main():
    for pair in pairs():
        use(pair)


def use(pair):
    return None


main()
