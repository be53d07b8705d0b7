import threading


def work(amount):
    return double(amount)


def double(amount):
    return amount * 2


work(1)
for name in ["worker-1", "worker-2"]:
    thread = threading.Thread(target=work, args=(5,), name=name)
    thread.start()
    thread.join()
work(3)

# Each line begins with its thread once there are several. The line that calls it in threading.py
# differs between Python versions.
#
# $ pyftrace examples/threads.py
# Running script: examples/threads.py
# Called work:4 from line 12
#     Called double:8 from line 5
#     Returning double-> 2
# Returning work-> 2
# [worker-1] Called work:4 from threading.py:992
# [worker-1]     Called double:8 from line 5
# [worker-1]     Returning double-> 10
# [worker-1] Returning work-> 10
# [worker-2] Called work:4 from threading.py:992
# [worker-2]     Called double:8 from line 5
# [worker-2]     Returning double-> 10
# [worker-2] Returning work-> 10
# [MainThread] Called work:4 from line 17
# [MainThread]     Called double:8 from line 5
# [MainThread]     Returning double-> 6
# [MainThread] Returning work-> 6
