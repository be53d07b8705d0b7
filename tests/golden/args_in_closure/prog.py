def count(n):
    def up():
        return n + 1

    return up()


count(1)
