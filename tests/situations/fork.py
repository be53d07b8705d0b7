# threads
import os
import sys


def child(n):
    return n * 2


def main():
    print("before")
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        print("child", child(2))
        sys.stdout.flush()
        os._exit(5)
    _, status = os.waitpid(pid, 0)
    print("parent", child(3), os.waitstatus_to_exitcode(status))


main()
