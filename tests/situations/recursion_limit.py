import sys


def down(n):
    return down(n + 1)


def depth(n=0):
    try:
        return depth(n + 1)
    except RecursionError:
        return n


def main():
    try:
        down(0)
    except RecursionError as e:
        print(type(e).__name__)
    print(depth())


sys.setrecursionlimit(200)
main()
