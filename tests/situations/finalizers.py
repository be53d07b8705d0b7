import gc
import weakref


class Node:
    def __init__(self):
        self.me = self

    def __del__(self):
        print("deleted")


class Plain:
    def __del__(self):
        helper()


def helper():
    print("helper")


def main():
    Plain()
    n = Node()
    r = weakref.ref(n, lambda ref: print("weak"))
    del n
    gc.collect()
    del r
    gc.callbacks.append(lambda phase, info: None)
    gc.collect()
    gc.callbacks.clear()
    global kept
    kept = Plain()


main()
