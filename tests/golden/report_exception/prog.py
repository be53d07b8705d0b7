def fail():
    raise ValueError("bad")


def main():
    fail()


main()
