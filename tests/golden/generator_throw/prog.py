def worker():
    while True:
        try:
            yield "ready"
        except ValueError:
            yield "recovered"


w = worker()
next(w)
w.throw(ValueError("bad"))
try:
    w.throw(KeyError("lost"))
except KeyError:
    print("gone")
