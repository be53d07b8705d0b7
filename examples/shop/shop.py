"""Prices and discounts: examples/shop/test_shop.py has a mistake to find."""

PRICES = {"tea": 3, "cake": 5}


class Basket:
    def __init__(self):
        self.lines = []

    def add(self, name, count=1):
        self.lines.append((price(name), count))

    def total(self):
        return sum([amount * count for amount, count in self.lines]) - self.discount()

    def discount(self):
        return best(two_for_one(self.lines), ten_off(self.lines))


def price(name):
    return PRICES[name]


def two_for_one(lines):
    return sum([amount * (count // 2) for amount, count in lines])


def ten_off(lines):
    return 10 if len(lines) > 3 else None


def best(one, other):
    return max(one, other)
