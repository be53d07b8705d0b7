import os
import signal


def spin():
    n = 0
    while True:
        n += 1
        if n == 1000:
            os.kill(os.getpid(), signal.SIGINT)


def main():
    try:
        spin()
    except KeyboardInterrupt:
        print("interrupted")


main()
