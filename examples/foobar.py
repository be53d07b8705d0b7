def foo():
    bar()


def bar():
    return 20

foo()

# $ pyftrace examples/foobar.py
# Running script: examples/foobar.py
# Called foo:1 from line 8
#     Called bar:5 from line 2
#     Returning bar-> 20
# Returning foo-> None
#
# $ pyftrace --path --time examples/foobar.py
# Running script: examples/foobar.py
# Called foo@foobar.py:1 from foobar.py:8
#     Called bar@foobar.py:5 from foobar.py:2
#     Returning bar-> 20 @ foobar.py  [1.21 us]
# Returning foo-> None @ foobar.py  [15.4 us]
#
# $ pyftrace --report --columns none examples/foobar.py
# Running script: examples/foobar.py
#
# Function Name  | Total Execution Time  | Call Count
# ---------------------------------------------------------
# foo            | 0.000029 seconds      | 1
# bar            | 0.000008 seconds      | 1
#
# 2 functions, 2 calls, 1 thread, 0.000171 seconds
