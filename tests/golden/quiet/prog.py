def f():
    print("said")


f()
