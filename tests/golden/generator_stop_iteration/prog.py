def broken():
    raise StopIteration
    yield


try:
    next(broken())
except RuntimeError as error:
    print(error)
