import helper


def main():
    helper.one()


main()
