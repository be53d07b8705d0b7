class A:
    def method(self):
        return inner()

    def other(self):
        return low()


def inner():
    return "inner"


def low():
    return "low"


A().method()
A().other()
