class Watched:
    def __setattr__(self, name, value):
        super().__setattr__(name, value)

    def __delattr__(self, name):
        super().__delattr__(name)


class Table(dict):
    def __init__(self):
        super().__init__()

    def __setitem__(self, key, value):
        super().__setitem__(key, value)


for _ in range(2):
    watched = Watched()
    watched.x = 1
    del watched.x
    table = Table()
    table["x"] = 1
