# args: -v --report -- x
import sys


def main(*args, key=1, **rest):
    print(args, key, rest)


main(*sys.argv[1:], key=2, other=3)
