"""The orders of a day: python sales.py [--receipts] [DAY]. docs/tour.md looks at it."""

import sys

from shop import Basket, price

DAYS = {
    "monday": ["tea 2, cake 1, tea 1, cake 2", "cake 1, cake 1, cake 2, tea 5"],
    "tuesday": ["tea 1, tea 1, cake 4, tea 3", "tea 2, cake 1"],
}
DAYS["year"] = DAYS["monday"] * 365


def orders(day):
    for text in DAYS[day]:
        yield [parse(part) for part in text.split(", ")]


def parse(part):
    name, count = part.split()
    return name, int(count)


def sell(order):
    basket = Basket()
    for name, count in order:
        basket.add(name, count)
    return basket.total()


def receipt(order):
    return "\n".join([f"{n} x {name} at {price(name)}: {n * price(name)}" for name, n in order])


def main(day, receipts):
    taken = 0
    for order in orders(day):
        taken += sell(order)
        if receipts:
            print(receipt(order))
    print(f"{day}: {taken}")


words = [word for word in sys.argv[1:] if word != "--receipts"]
main(words[0] if words else "monday", "--receipts" in sys.argv)
