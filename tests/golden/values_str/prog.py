class Money:
    def __init__(self, amount):
        self.amount = amount

    def __str__(self):
        return format_amount(self.amount)


class Broken:
    def __str__(self):
        raise ValueError("no text")


def format_amount(amount):
    return f"{amount} EUR"


def make(kind, *args):
    return kind(*args)


make(Money, 5)
make(int, "7")
