from functools import reduce


class Number:
    def __init__(self, n):
        self.n = n

    def __add__(self, other):
        return Number(self.n + other.n)

    def __lt__(self, other):
        return self.n < other.n

    def __len__(self):
        return self.n


def square(n):
    return n * n


def add(a, b):
    return a + b


list(map(square, [1, 2]))
reduce(add, [1, 2])
max(Number(1), Number(2))
len(Number(3) + Number(4))
