class Base:
    def __init__(self, name):
        self.name = name

    def hello(self):
        return "hello"


class Child(Base):
    def hello(self):
        return super().hello() + " child"


Child("c").hello()
