try:
    import broken
except ZeroDivisionError as error:
    print(error)
