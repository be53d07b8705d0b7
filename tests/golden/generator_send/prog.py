def average():
    total = 0
    count = 0
    value = yield None
    while value is not None:
        total += value
        count += 1
        value = yield total / count
    return count


a = average()
next(a)
a.send(4)
a.send(8)
try:
    a.send(None)
except StopIteration as stop:
    print(stop.value)
