class Configuration:
    def read_everything(self):
        return [n for n in numbers()]


def numbers():
    yield 1
    yield 2


Configuration().read_everything()
