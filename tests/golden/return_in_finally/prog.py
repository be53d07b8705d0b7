def swallow():
    try:
        boom()
    except ValueError:
        pass
    return again()


def again():
    try:
        boom()
    except ValueError as error:
        raise TypeError("worse") from error


def boom():
    raise ValueError("boom")


try:
    swallow()
except TypeError:
    print("done")
