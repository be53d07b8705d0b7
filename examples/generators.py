def countdown(n):
    while n > 0:
        yield n
        n -= 1
    return "lift-off"


def launch():
    result = yield from countdown(2)
    return result


for number in countdown(2):
    print(number)

list(launch())

# A generator is called when its body starts, not when the generator is made; after each value it
# waits outside of the tree.
#
# $ pyftrace examples/generators.py
# Running script: examples/generators.py
# Called countdown:1 from line 13
# Yielding countdown-> 2
# 2
# Resuming countdown:1 from line 13
# Yielding countdown-> 1
# 1
# Resuming countdown:1 from line 13
# Returning countdown-> 'lift-off'
# Called launch:8 from line 16
#     Called countdown:1 from line 9
#     Yielding countdown-> 2
# Yielding launch-> 2
# Resuming launch:8 from line 16
#     Resuming countdown:1 from line 9
#     Yielding countdown-> 1
# Yielding launch-> 1
# Resuming launch:8 from line 16
#     Resuming countdown:1 from line 9
#     Returning countdown-> 'lift-off'
# Returning launch-> 'lift-off'
