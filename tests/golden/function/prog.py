def top():
    middle()
    low()


def middle():
    low()


def low():
    return 1


top()
