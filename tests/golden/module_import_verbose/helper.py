def value():
    return TABLE["x"]


def build():
    return {"x": 1}


TABLE = build()
