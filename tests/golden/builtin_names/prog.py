from collections import deque
from math import sqrt

items = deque([3, 1])
items.append(2)
sqrt(4)
"a".upper()
str.lower("B")
dict.fromkeys("ab")
float("2")
