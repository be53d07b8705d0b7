def get(n):
    return n
