import contextlib
import io
import sys


def work(x):
    print("work", x)
    return x


def main():
    with contextlib.redirect_stdout(io.StringIO()) as caught:
        work(1)
    print("caught", caught.getvalue().strip())
    saved = sys.stdout

    class Shout:
        def write(self, text):
            saved.write(text.upper())

        def flush(self):
            saved.flush()

    sys.stdout = Shout()
    work(2)
    sys.stdout = None
    work(3)
    sys.stdout = saved
    work(4)


main()
