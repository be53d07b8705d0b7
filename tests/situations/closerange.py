import os
import tempfile


def f(x):
    return x


def main():
    f(1)
    os.closerange(3, 65536)
    files = [tempfile.TemporaryFile() for _ in range(3)]
    for i in range(100):
        f(i)
    for file in files:
        file.write(b"mine")
        file.seek(0)
        print(file.read())
    print(files[0].fileno())


main()
