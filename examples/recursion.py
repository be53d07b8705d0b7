def factorial(n):
    if n <= 1:
        return 1
    return n * factorial(n - 1)


factorial(4)

# $ pyftrace --args examples/recursion.py
# Running script: examples/recursion.py
# Called factorial:1(n=4) from line 7
#     Called factorial:1(n=3) from line 4
#         Called factorial:1(n=2) from line 4
#             Called factorial:1(n=1) from line 4
#             Returning factorial-> 1
#         Returning factorial-> 2
#     Returning factorial-> 6
# Returning factorial-> 24
#
# $ pyftrace --depth 2 examples/recursion.py
# Running script: examples/recursion.py
# Called factorial:1 from line 7
#     Called factorial:1 from line 4
#     Returning factorial-> 6
# Returning factorial-> 24

# The report counts every call and the time of recursion once:
#
# $ pyftrace --report --columns none examples/recursion.py
# Running script: examples/recursion.py
#
# Function Name  | Total Execution Time  | Call Count
# ---------------------------------------------------------
# factorial      | 0.000014 seconds      | 4
#
# 1 function, 4 calls, 1 thread, 0.000135 seconds
