class A:
    def __init__(self):
        pass


def two(a, b):
    return a


def main():
    for call in (lambda: two(1), lambda: A(1), lambda: two(1, 2, 3), lambda: list.append()):
        try:
            call()
        except TypeError as e:
            print(e)


main()
