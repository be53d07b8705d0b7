type Pair[T] = tuple[T, T]


class Box[T]:
    item: T

    def __init__(self, item: T) -> None:
        self.item = item

    def get(self) -> T:
        return self.item


def first[T](items: list[T]) -> T:
    return items[0]


def main():
    print(first([1, 2]), Box("x").get(), Pair.__value__, Box.__annotations__.keys() == {"item"})


main()
