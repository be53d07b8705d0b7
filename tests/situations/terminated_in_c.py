# signal
# unfinished
# threads
def waits():
    print("ready", flush=True)
    return sum(range(10**11))


waits()
