# signal
# unfinished
# threads
import time


def waits():
    print("ready", flush=True)
    time.sleep(60)


def main():
    waits()


main()
