def gen():
    yield 1
    raise StopIteration("inside")


def main():
    try:
        list(gen())
    except RuntimeError as e:
        print(type(e.__cause__).__name__, e)


main()
