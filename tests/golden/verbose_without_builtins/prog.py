import lib


def main():
    print(lib.outer())


main()
