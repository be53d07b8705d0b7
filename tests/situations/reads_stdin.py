# stdin: hello
import sys


def read():
    return sys.stdin.readline().strip()


def main():
    print(read())


main()
