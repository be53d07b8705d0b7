import datetime
import decimal
import enum
import pathlib
import uuid


class Color(enum.Enum):
    RED = 1


class Flag(enum.IntFlag):
    A = 1
    B = 2


class Zone(datetime.tzinfo):
    def utcoffset(self, dt):
        print("utcoffset ran")
        return datetime.timedelta(0)


def give(x):
    return x


def main():
    now = datetime.datetime(2024, 1, 2, 3, 4, 5)
    for v in (
        now,
        now.date(),
        now.time(),
        now.replace(tzinfo=datetime.UTC),
        datetime.timedelta(1, 2, 3),
        now.replace(tzinfo=Zone()),
        decimal.Decimal("1.50"),
        pathlib.Path("/tmp/x") / "y",
        uuid.UUID(int=5),
        Color.RED,
        Flag.A | Flag.B,
        pathlib.PurePosixPath("a"),
    ):
        give(v)
    print("done")


main()
