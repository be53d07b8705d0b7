# threads
import sys
import threading

sys.setswitchinterval(1e-6)


def down(n):
    return n if n == 0 else down(n - 1)


def work():
    for _ in range(20):
        down(50)


def main():
    threads = [threading.Thread(target=work, name=f"worker-{i}") for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print("joined")


main()
