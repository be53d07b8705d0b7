import sys


def main(argv):
    return check(argv)


def check(argv):
    return len(argv)


main(sys.argv[1:])
