fs = [lambda: 1, lambda: 2]
fs[0]()
fs[1]()
fs[1]()
