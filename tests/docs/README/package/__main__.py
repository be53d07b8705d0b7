"""The program of the README's recordings."""

ROWS = range(8)

def query(n): return n

def show():
    return [query(n) for n in ROWS]


show()
