# threads
import ctypes
import threading


def compare(a, b):
    return a[0] - b[0]


def main():
    try:
        libc = ctypes.CDLL(None)
        array = (ctypes.c_int * 5)(5, 1, 4, 2, 3)
    except (OSError, AttributeError):
        print([1, 2, 3, 4, 5])
        return
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    libc.qsort(array, len(array), ctypes.sizeof(ctypes.c_int), kind(compare))
    print(list(array))
    t = threading.Thread(target=main2)
    t.start()
    t.join()


def main2():
    print("other")


main()
