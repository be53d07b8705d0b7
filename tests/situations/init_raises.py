class Bad:
    def __init__(self, n):
        if n == 700:
            raise ValueError(n)


def main():
    for n in range(1000):
        try:
            Bad(n)
        except ValueError as e:
            print("raised", e)


main()
