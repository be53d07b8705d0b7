def two(a, b):
    return a + b


def main():
    try:
        two(1)
    except TypeError:
        return "wrong"


main()
main()
