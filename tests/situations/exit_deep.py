import sys


def down(n):
    if n == 0:
        print("leaving")
        sys.exit(3)
    try:
        down(n - 1)
    finally:
        print("unwound", n)


down(5)
