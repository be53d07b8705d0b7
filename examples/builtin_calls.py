def describe(words):
    longest = max(words)
    print(len(words), longest)
    words.append(longest.upper())
    return sum([1, 2])


describe(["tree", "call"])

# Calls of functions written in C are shown with -v, or with --builtins alone:
#
# $ pyftrace -v examples/builtin_calls.py
# Running script: examples/builtin_calls.py
# Called describe:1 from line 8
#     Called max from line 2
#     Returning max
#     Called len from line 3
#     Returning len
#     Called print from line 3
# 2 tree
#     Returning print
#     Called str.upper from line 4
#     Returning str.upper
#     Called list.append from line 4
#     Returning list.append
#     Called sum from line 5
#     Returning sum
# Returning describe-> 3
#
# $ pyftrace --builtins --hide len --hide 'list.*' examples/builtin_calls.py
# Running script: examples/builtin_calls.py
# Called describe:1 from line 8
#     Called max from line 2
#     Returning max
#     Called print from line 3
# 2 tree
#     Returning print
#     Called str.upper from line 4
#     Returning str.upper
#     Called sum from line 5
#     Returning sum
# Returning describe-> 3
