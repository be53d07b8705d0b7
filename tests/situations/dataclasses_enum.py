import collections
import dataclasses
import enum


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: int = 0


class Color(enum.Enum):
    RED = 1

    def describe(self):
        return self.name


Pair = collections.namedtuple("Pair", "a b")


def main():
    print(
        sorted([Point(2), Point(1, 5)]),
        Point(1) == Point(1),
        Color.RED.describe(),
        Pair(1, 2)._replace(a=5),
    )


main()
