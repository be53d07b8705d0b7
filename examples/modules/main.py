import helper
from shapes import square

helper.greet("world")
square.area(3)

# $ pyftrace examples/modules/main.py
# Running script: examples/modules/main.py
# Called greet:1 from line 4
# Hello, world!
# Returning greet-> None
# Called area:4 from line 5
#     Called times:1 from line 5
#     Returning times-> 9
# Returning area-> 9

# The modules' own top-level code and the calls of built-in functions come with -v:
#
# $ pyftrace -v examples/modules/main.py
# Running script: examples/modules/main.py
# Called <module> helper.py:1 from line 1
# Returning <module> helper.py
# Called <module> __init__.py:1 from line 2
# Returning <module> __init__.py
# Called <module> square.py:1 from line 2
#     Called <module> number.py:1 from line 1
#     Returning <module> number.py
# Returning <module> square.py
# Called greet:1 from line 4
#     Called print from line 2
# Hello, world!
#     Returning print
# Returning greet-> None
# Called area:4 from line 5
#     Called times:1 from line 5
#     Returning times-> 9
# Returning area-> 9

# Only the functions of one package:
#
# $ pyftrace --only shapes examples/modules/main.py
# Running script: examples/modules/main.py
# Hello, world!
# Called area:4 from line 5
#     Called times:1 from line 5
#     Returning times-> 9
# Returning area-> 9
