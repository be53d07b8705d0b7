# unfinished
# only: tree everything verbose filtered
import os
import sys


def main():
    print("bye")
    sys.stdout.flush()
    os._exit(7)


main()
