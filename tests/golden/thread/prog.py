import threading


def work(n):
    return step(n)


def step(n):
    return n + 1


thread = threading.Thread(target=work, args=(1,), name="worker-1")
thread.start()
thread.join()
step(5)
