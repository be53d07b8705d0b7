def down(n):
    return 0 if n == 0 else down(n - 1)


down(5)
down(0)
