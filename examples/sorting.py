def by_length(word):
    return len(word)


def shortest(words):
    return sorted(words, key=by_length)[0]


print(shortest(["pear", "fig"]))

# $ pyftrace examples/sorting.py
# Running script: examples/sorting.py
# Called shortest:5 from line 9
#     Called by_length:1 from line 6
#     Returning by_length-> 4
#     Called by_length:1 from line 6
#     Returning by_length-> 3
# Returning shortest-> 'fig'
# fig

# With -v the key function is seen to be called by sorted:
#
# $ pyftrace -v examples/sorting.py
# Running script: examples/sorting.py
# Called shortest:5 from line 9
#     Called sorted from line 6
#         Called by_length:1 from line 6
#             Called len from line 2
#             Returning len
#         Returning by_length-> 4
#         Called by_length:1 from line 6
#             Called len from line 2
#             Returning len
#         Returning by_length-> 3
#     Returning sorted
# Returning shortest-> 'fig'
# Called print from line 9
# fig
# Returning print
