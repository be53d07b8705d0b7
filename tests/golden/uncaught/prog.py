def fail():
    raise ValueError("bad")


fail()
