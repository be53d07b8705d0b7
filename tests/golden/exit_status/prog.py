import sys


def one():
    two()


def two():
    three()


def three():
    sys.exit(3)


one()
