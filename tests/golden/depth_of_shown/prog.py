def top():
    middle()


def middle():
    low()


def low():
    return 1


top()
