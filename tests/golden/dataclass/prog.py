from __future__ import annotations; from dataclasses import dataclass


@dataclass
class Point:
    x: int
    y: int = 0

    def norm(self):
        return square(self.x) + square(self.y)


def square(n):
    return n * n


Point(3, 4).norm()
print(Point(1) == Point(1, 0))
