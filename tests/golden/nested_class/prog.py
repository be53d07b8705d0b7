class Outer:
    class Inner:
        def method(self):
            return self.helper()

        @staticmethod
        def helper():
            return "done"

    @classmethod
    def make(cls):
        return cls.Inner().method()


Outer.make()
