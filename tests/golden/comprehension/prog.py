def double(x):
    return 2 * x


def main():
    return [double(x) for x in (1, 2)]


main()
