def f():
    print("said")
    return "värde"


f()
