import helper


def main():
    helper.run(back)


def back():
    return 1


main()
