"""A signal that comes while a C function fails: no bytecode runs from there to the end of fails(),
so its handler waits. What looks at fails() being left must neither run it nor lose what it raises."""

import _thread
import signal


def fails(number):
    sorted([number, number], key=_thread.interrupt_main)  # None < None is a TypeError


def late(signum, frame):
    raise TimeoutError("too late")


def main():
    signal.signal(signal.SIGALRM, late)
    for number in (signal.SIGINT, signal.SIGALRM):
        try:
            try:
                fails(number)
            except TypeError:
                print("left")
        except (KeyboardInterrupt, TimeoutError) as error:
            print(number, type(error).__name__)


main()
