import enum
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from uuid import UUID


class Color(enum.Enum):
    RED = 1


class Zone(tzinfo):
    pass


def f(value):
    return value


f(Color.RED)
f(date(2024, 2, 29))
f(datetime(2024, 2, 29, 12, 30))
f(datetime(2024, 2, 29, 12, 30, tzinfo=timezone.utc))
f(datetime(2024, 2, 29, 12, 30, tzinfo=Zone()))
f(timedelta(days=1, seconds=2))
f(Decimal("1.50"))
f(Path("a/b"))
f(UUID(int=1))
