# threads
# unfinished
import atexit
import threading
import weakref


class Thing:
    pass


def waits(event, started):
    started.set()
    event.wait()


def main():
    started = threading.Event()
    threading.Thread(target=waits, args=(threading.Event(), started), daemon=True).start()
    started.wait()
    thing = Thing()
    weakref.finalize(thing, print, "finalized")
    atexit.register(print, "first registered")
    atexit.register(print, "last registered")
    print("main ends")


main()
