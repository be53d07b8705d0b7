class Box:
    def size(self):
        return get_size(self)

    def show(self):
        return describe(self.size())


def get_size(box):
    return measure(box)


def measure(box):
    return 3


def describe(n):
    return f"{n} items"


Box().show()
