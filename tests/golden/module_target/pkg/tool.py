import sys

from pkg import NAME


def main(argv):
    return NAME, argv


main(sys.argv[1:])
