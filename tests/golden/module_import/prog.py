import helper


def main():
    return helper.value()


main()
