def f(text):
    return len(text)


f("x" * 100)
