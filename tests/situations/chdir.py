import os
import shutil
import tempfile


def f():
    return 1


def main():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    f()
    shutil.rmtree(folder)
    f()
    print("gone")


main()
