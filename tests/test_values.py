"""Values are shown as repr() shows them, and nothing of the program runs for it."""

import collections
import datetime
import decimal
import enum
import fractions
import pathlib
import re
import signal
import sys
import sysconfig
import types
import typing
import uuid
import weakref
from collections.abc import Callable

import pytest

import pyftrace

Point = collections.namedtuple("Point", "x y")
Nothing = collections.namedtuple("Nothing", "")
Renamed = collections.namedtuple("Renamed", "a def a", rename=True)


class Typed(typing.NamedTuple):
    name: str
    size: int = 0


class Local:
    class Inner:
        pass


class Number(int):
    pass


def give(value):
    return value


@pytest.fixture
def shown(capsys, nothing_left_on) -> Callable[..., str]:
    """What the tree says that give() returned."""

    def show(value: object, **options: object) -> str:
        capsys.readouterr()
        pyftrace.trace(give, value_length=20000, **options)(value)
        return capsys.readouterr().out.rpartition("Returning give-> ")[2].removesuffix("\n")

    return show


def moved() -> collections.OrderedDict:
    made = collections.OrderedDict(a=1, b=[2], c=3)
    made.move_to_end("a")
    made.move_to_end("c", last=False)
    return made


def dictionary() -> dict:
    return {"a": 1, (1, 2): [b"x"], None: {3.5: ...}}


AS_REPR = [
    range(3),
    range(-(2**70), 5, 2),
    slice(3),
    slice(1, None, -1),
    slice("a", [1, (2,)], {3: 4}),
    dictionary().keys(),
    dictionary().values(),
    dictionary().items(),
    {}.keys(),
    {}.items(),
    Number.__dict__.keys() & {"__module__"},
    moved(),
    moved().keys(),
    moved().values(),
    moved().items(),
    dict.keys(moved()),
    collections.OrderedDict(),
    collections.OrderedDict({1: moved(), None: {}, b"x": 1.5, False: ()}),
    types.MappingProxyType(dictionary()),
    types.MappingProxyType({}),
    collections.deque(),
    collections.deque([1, "two", [3]]),
    collections.deque("abcdef", maxlen=3),
    collections.deque(maxlen=0),
    collections.deque(range(300)),
    collections.defaultdict(None),
    collections.defaultdict(list, {"a": [1]}),
    collections.defaultdict(collections.OrderedDict, {1: {2: 3}}),
    collections.defaultdict(datetime.date),
    collections.defaultdict(Local.Inner),
    collections.defaultdict(int, a=1).keys(),
    collections.Counter(),
    collections.Counter("abracadabra"),
    collections.Counter(a=-3, b=0, c=7, d=7, e=2**40),
    collections.Counter("abcabc").values(),
    collections.Counter({n: n % 7 for n in range(1000)}),
    Point(1, [2]),
    Point(Typed("a"), y=Nothing()),
    Renamed(1, 2, 3),
    Typed("it's", 3),
    Nothing(),
    fractions.Fraction(-1, 3),
    fractions.Fraction(2**90, 7),
    re.compile("a+|\n'\\d"),
    re.compile(b"\xff", re.I | re.S),
    re.compile("x" * 300, re.A),
    memoryview(b"abc"),
    ValueError(),
    ValueError("bad"),
    ValueError("it's", 2, [3.5, None]),
    KeyError(("a", 1)),
    FileNotFoundError(2, "No such file", "x"),
    UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range"),
    StopIteration([ValueError(1)]),
    SystemExit(3),
    list[int],
    list[Local.Inner],
    dict[str, list[int]],
    tuple[int, ...],
    tuple[()],
    *tuple[int, str],
    types.GenericAlias(list, "Later"),
    list[None],
    list[type(None)],
    list[int | None],
    list[datetime.date],
    list[ExceptionGroup],
    dict[[int, str], [()][0:0]],
    type[int],
    collections.deque[int],
    int | str,
    int | None,
    list[int] | dict[str, int] | Local.Inner,
    int,
    datetime.date,
    ExceptionGroup,
    Local.Inner,
    [ValueError(1), Point(1, 2), {"k": collections.deque([1])}],
    uuid.UUID(int=5),
    uuid.UUID(int=2**128 - 1),
    bytearray(b"it's"),
    bytearray(b"'\"\\"),
    decimal.Decimal("1.50"),
    datetime.timedelta(1, 2),
    datetime.datetime(2024, 2, 29, 12, 30, fold=1),
    datetime.datetime(2024, 2, 29, 12, 30, 5, 6, tzinfo=datetime.UTC),
    datetime.datetime(2024, 2, 29, 12, 30, fold=1, tzinfo=datetime.UTC),
    datetime.time(1, 2, 3, fold=1, tzinfo=datetime.timezone(datetime.timedelta(hours=-3))),
    datetime.timezone(datetime.timedelta(hours=1), "it's"),
    datetime.UTC,
    pathlib.PurePosixPath("a/b"),
]


# Without the GIL the order of an OrderedDict cannot be read while others may change it.
GIL = not sysconfig.get_config_var("Py_GIL_DISABLED")


def readable(values: list) -> list:
    return [v for v in values if GIL or not re.search(r"odict|OrderedDict\(\{", repr(v))]


@pytest.mark.parametrize("value", readable(AS_REPR), ids=lambda value: type(value).__name__)
def test_it_is_what_repr_says(value, shown):
    assert shown(value) == repr(value)
    assert shown([value]) == repr([value])


@pytest.mark.parametrize(
    "parts",
    [
        "", ".", "/", "//", "///", "a", "/a", "//a/b", "///a", "a//b/", "./a/./b/.", "../a", "a/..",
        ("a", "b"), ("/", "a"), ("a", "/b", "c"), ("//", "a"), ("a/", "", "."), ("a", "//b"),
        ("é'", "\n", "\udc80", "\U0001f600"), "x/" * 499,
    ],
)  # fmt: skip
def test_a_path_that_was_not_asked_yet_is_as_repr_says(parts, shown):
    parts = (parts,) if isinstance(parts, str) else parts
    fresh, asked = pathlib.PurePosixPath(*parts), pathlib.PurePosixPath(*parts)
    assert shown(fresh) == shown(asked) == repr(asked)
    assert shown(asked) == repr(asked)


def test_what_a_path_was_made_of_is_read_within_bounds(shown):
    assert shown(pathlib.PurePosixPath("x" * 1001)) == "PurePosixPath(...)"
    assert shown(pathlib.PurePosixPath(*"ab" * 300)) == "PurePosixPath(...)"
    assert shown(pathlib.PureWindowsPath("c:/a", "b")) == "PureWindowsPath(...)"
    asked = pathlib.PureWindowsPath("c:/a", "b")
    assert str(asked) and shown(asked) == repr(asked)


def within_itself() -> list[object]:
    """Containers that hold themselves, directly or not."""
    plain: list = [1]
    plain.append(plain)
    through: list = []
    through.append({"k": (through,)})
    table: dict = {}
    table["values"] = table.values()
    table["items"] = table.items()
    cut: list = []
    cut.append(slice(cut))
    ring = collections.deque([0], maxlen=3)
    ring.append(ring)
    groups = collections.defaultdict(list)
    groups["all"] = groups
    made = collections.defaultdict(list)
    made.default_factory = made
    made_by: list = []
    made_by.append(collections.defaultdict(None, a=1))
    made_by[0].default_factory = made_by
    ordered = collections.OrderedDict(a=1)
    ordered["me"] = ordered
    proxied: dict = {}
    proxied["p"] = types.MappingProxyType(proxied)
    failed = ValueError([])
    failed.args[0].append(failed)
    named = Point([], 1)
    named.x.append(named)
    return [
        plain, through, table, table.values(), table.items(), cut, cut[0], ring, groups, made,
        made_by, made_by[0], ordered, ordered.values(), proxied, proxied["p"], failed, named,
    ]  # fmt: skip


@pytest.mark.parametrize("value", readable(within_itself()), ids=lambda value: type(value).__name__)
def test_what_holds_itself_is_as_repr_says(value, shown):
    assert shown(value) == repr(value)


DEEP = [
    (slice(1), "slice(...)"),
    ({1: 2}.keys(), "..."),
    (types.MappingProxyType({1: 2}), "mappingproxy({...})"),
    (collections.deque([1]), "deque([...])"),
    (collections.defaultdict(int), "defaultdict(<class 'int'>, {...})"),
    (collections.Counter("a"), "Counter({...})"),
    (Point(1, 2), "Point(...)"),
    (ValueError(1), "ValueError(...)"),
    (int | str, "..."),
]


@pytest.mark.parametrize(("value", "said"), DEEP, ids=lambda value: type(value).__name__)
def test_four_containers_deep_it_is_not_looked_into(value, said, shown):
    assert shown([[[[value]]]]) == f"[[[[{said}]]]]"
    nested = value
    for _ in range(50_000):  # deeper than the C stack would bear
        nested = slice(nested)
    assert shown(nested).count("slice") == 5
    while isinstance(nested, slice):  # freed one by one, for the same reason
        nested = nested.start


class Loud:
    """Whatever Python could ask it, once the test is ready it must not be asked."""

    ready = False

    def loud(self, *_):
        if Loud.ready:
            raise AssertionError("the program's own code ran")
        return NotImplemented

    __repr__ = __str__ = __format__ = __bool__ = __len__ = __iter__ = __getitem__ = loud
    __index__ = __int__ = __call__ = __lt__ = __gt__ = __reversed__ = __eq__ = loud

    def __getattr__(self, name):
        self.loud()
        raise AttributeError(name)

    def __hash__(self):
        self.loud()
        return hash("k")  # a key that another one collides with


class LoudDict(Loud, dict):
    pass


class LoudStr(str):
    __repr__ = __str__ = Loud.loud


class LoudDelta(datetime.timedelta):
    __repr__ = __str__ = Loud.loud


class LoudType(type):
    __repr__ = __str__ = __getattr__ = Loud.loud


class OfLoudType(metaclass=LoudType):
    pass


@pytest.fixture
def never_asked(shown, monkeypatch) -> Callable[..., None]:
    """Takes values and what is shown of them; asks nothing of them."""

    def check(*pairs: tuple[object, str]) -> None:
        monkeypatch.setattr(Loud, "ready", True)
        for value, expected in pairs:
            assert shown(value) == expected
        monkeypatch.setattr(Loud, "ready", False)

    return check


LOUD = "<test_values.Loud object>"


def test_what_is_the_programs_own_within_stays_its_type(never_asked):
    loud = Loud()
    keyed = {"k": 1, loud: [loud]}
    never_asked(
        (slice(loud, 1), f"slice({LOUD}, 1, None)"),
        (keyed.keys(), f"dict_keys(['k', {LOUD}])"),
        (keyed.values(), f"dict_values([1, [{LOUD}]])"),
        (keyed.items(), f"dict_items([('k', 1), ({LOUD}, [{LOUD}])])"),
        (LoudDict(a=1).items(), "dict_items([('a', 1)])"),
        (types.MappingProxyType(keyed), f"mappingproxy({{'k': 1, {LOUD}: [{LOUD}]}})"),
        (collections.deque([loud], 2), f"deque([{LOUD}], maxlen=2)"),
        (
            collections.defaultdict(loud, keyed),
            f"defaultdict({LOUD}, {{'k': 1, {LOUD}: [{LOUD}]}})",
        ),
        (collections.Counter({"k": 2, loud: 5}), f"Counter({{{LOUD}: 5, 'k': 2}})"),
        (Point(loud, 1), f"Point(x={LOUD}, y=1)"),
        (list[OfLoudType], "list[test_values.OfLoudType]"),
        (collections.defaultdict(OfLoudType), "defaultdict(<class 'test_values.OfLoudType'>, {})"),
    )


@pytest.mark.skipif(not GIL, reason="an OrderedDict is not read there")
def test_so_it_does_within_an_ordered_dict(never_asked):
    ordered = collections.OrderedDict(a=Loud())
    never_asked(
        (ordered, f"OrderedDict({{'a': {LOUD}}})"),
        (ordered.items(), f"odict_items([('a', {LOUD})])"),
        ([[[[ordered]]]], "[[[[OrderedDict({...})]]]]"),
    )


@pytest.mark.skipif(not GIL, reason="an OrderedDict is not read there")
def test_one_with_attributes_is_read_in_its_order(shown):
    ordered = moved()
    ordered.note = [1]
    ref = weakref.ref(ordered)
    assert shown(ordered) == repr(ordered)
    assert ref() is ordered
    full = collections.OrderedDict.fromkeys(range(1000))
    full.move_to_end(0)
    full.note = 1
    assert shown(full) == repr(full)


def test_one_that_was_changed_by_methods_of_dict_is_its_type(never_asked):
    loud = Loud()
    without, cleared, replaced = (collections.OrderedDict({loud: 1, "b": 2}) for _ in range(3))
    dict.__delitem__(without, loud)
    dict.clear(cleared)
    dict.__setitem__(cleared, "b", 2)
    dict.__delitem__(replaced, loud)
    dict.__setitem__(replaced, "c", 3)
    beyond = collections.OrderedDict(a=1)
    dict.__setitem__(beyond, "b", 2)
    for changed in (without, cleared, replaced, beyond):
        never_asked(
            (changed, "<collections.OrderedDict object>"),
            (changed.items(), "<odict_items object>"),
        )


@pytest.mark.skipif(GIL, reason="it is read there")
def test_an_ordered_dict_is_its_type_without_the_gil(shown):
    assert shown(collections.OrderedDict(a=1)) == "<collections.OrderedDict object>"
    assert shown(collections.OrderedDict(a=1).keys()) == "<odict_keys object>"


def test_what_would_not_be_whole_is_its_type(never_asked):
    loud = Loud()
    union = f"<{type(int | str).__module__}.{type(int | str).__qualname__} object>"
    never_asked(
        (ValueError(loud), "<ValueError object>"),
        (ValueError("bad", [loud]), "<ValueError object>"),
        ([KeyError(ValueError(loud)), KeyError(1)], "[<KeyError object>, KeyError(1)]"),
        ([loud, KeyError(1)], f"[{LOUD}, KeyError(1)]"),
        (list[loud], "<types.GenericAlias object>"),
        (types.GenericAlias(loud, int), "<types.GenericAlias object>"),
        (dict[str, [loud]], "<types.GenericAlias object>"),
        (dict[str, lambda: 1], "<types.GenericAlias object>"),
        (int | list[loud], union),
        (types.MappingProxyType(LoudDict()), "<mappingproxy object>"),
        (collections.OrderedDict({"k": 1, loud: 2}), "<collections.OrderedDict object>"),
        (collections.OrderedDict({loud: 2}).keys(), "<odict_keys object>"),
        (collections.OrderedDict.fromkeys(range(1001)), "<collections.OrderedDict object>"),
        (collections.Counter(a=Number(1)), "<collections.Counter object>"),
        (collections.Counter(a=1.5), "<collections.Counter object>"),
        (collections.Counter(a=2**70), "<collections.Counter object>"),
        (collections.Counter(range(1001)), "<collections.Counter object>"),
        (datetime.timezone(LoudDelta(0, 60)), "<datetime.timezone object>"),
        (datetime.timezone(datetime.timedelta(0), LoudStr("x")), "<datetime.timezone object>"),
        (re.compile("x" * 5000), "<re.Pattern object>"),
        (re.compile(LoudStr("x")), "<re.Pattern object>"),
    )


def subclass(base: type, *args: object) -> object:
    return type("Mine", (base,), {"__repr__": Loud.loud, "__module__": "app"})(*args)


@pytest.mark.parametrize(
    "value",
    [
        subclass(collections.deque, "ab"),
        subclass(collections.OrderedDict),
        subclass(collections.defaultdict),
        subclass(collections.Counter, "aa"),
        subclass(fractions.Fraction, 1, 2),
        subclass(Point, 1, 2),
        subclass(Typed, "a"),
        subclass(tuple, "ab"),
        subclass(ValueError, "bad"),
        subclass(types.GenericAlias, list, int),
    ],
    ids=lambda value: type(value).__base__.__name__,
)
def test_a_subclass_is_its_type(value, never_asked):
    never_asked((value, "<app.Mine object>"))


def test_a_class_that_only_looks_like_one_of_namedtuple_is_its_type(never_asked):
    body = {"_fields": ("x", "y"), "__module__": "app"}
    bare = type("Bare", (tuple,), body)
    own = type("Own", (tuple,), body | {"__repr__": Loud.loud})
    lent = type("Lent", (tuple,), body | {"__repr__": Point.__repr__})
    short = collections.namedtuple("Short", "x y", module="app")
    short._fields = ("x",)
    changed = collections.namedtuple("Changed", "x y", module="app")
    changed.__repr__ = Loud.loud
    never_asked(
        (bare((1, 2)), "<app.Bare object>"),
        (own((1, 2)), "<app.Own object>"),
        (lent((1, 2)), "Lent(x=1, y=2)"),  # as its repr() says too
        (short(1, 2), "<app.Short object>"),
        (changed(1, 2), "<app.Changed object>"),
        (tuple.__new__(Point, (1, 2, 3)), "<test_values.Point object>"),
    )


@pytest.mark.parametrize(
    ("module", "name", "fields"),
    [
        (fractions, "Fraction", ("_numerator", "_denominator")),
        (collections, "Counter", ()),
        (sys.modules["_collections"], "deque", ("maxlen",)),
        (sys.modules["_collections"], "defaultdict", ("default_factory",)),
        (re, "Pattern", ("pattern",)),
        (uuid, "UUID", ("int",)),
        (pathlib, "PosixPath", ("_str", "_raw_paths")),
    ],
)
def test_a_class_in_place_of_the_librarys_is_never_asked(module, name, fields, monkeypatch, shown):
    def ask(self):
        raise AssertionError("the program's own code ran")

    made = type(name, (), {"__repr__": ask, **{field: property(ask) for field in fields}})
    monkeypatch.setattr(module, name, made)
    assert name in shown(made())


class Colliding:
    """A key that is looked at wherever `text` is looked up."""

    def __init__(self, text: str) -> None:
        self.hash = hash(text)

    def __hash__(self):
        return self.hash

    __eq__ = Loud.loud


@pytest.mark.filterwarnings("ignore:non-string key")
def test_keys_of_its_own_in_what_describes_it_are_never_asked(never_asked):
    def described(body: dict, *texts: str) -> dict:
        return {Colliding(text): 1 for text in texts} | body

    named = {name: Point.__dict__[name] for name in ("__repr__", "_fields")}
    pair = type("Pair", (tuple,), described(named, "__repr__", "_fields"))
    of_app = type("Own", (), described({"__module__": "app"}, "__module__"))

    class Color(enum.Enum):
        RED = 1

    members = dict(vars(Color.RED))
    vars(Color.RED).clear()
    vars(Color.RED).update(described(members, "_name_"))
    never_asked(
        (pair((1, 2)), "Pair(x=1, y=2)"),
        (of_app(), "<app.Own object>"),
        (Color.RED, f"{Color.__qualname__}.RED"),
    )


def with_int(number: int) -> uuid.UUID:
    made = uuid.UUID(int=0)
    object.__setattr__(made, "int", number)
    return made


@pytest.mark.parametrize("value", [uuid.UUID.__new__(uuid.UUID), with_int(-5), with_int(2**128)])
def test_an_uuid_that_is_none_is_its_type(value, shown):
    assert shown(value) == "<uuid.UUID object>"


def test_a_decimal_of_very_many_digits_is_its_type(shown):
    for digits, is_shown in ((4000, True), (6000, False)):
        value = decimal.Decimal("7" * digits)
        assert shown(value) == (repr(value) if is_shown else "<decimal.Decimal object>")


def test_names_are_cut_before_they_are_copied(capsys, nothing_left_on):
    name = "\xe9" * 10**6
    values = (type(name, (), {"__module__": name})(), type(name, (), {}), lambda: None)
    values[2].__qualname__ = name
    before = sys.getsizeof(name)
    for value in values:
        pyftrace.trace(give)(value)
        assert "\xe9" * 50 + "..." in capsys.readouterr().out.replace("\xe9" * 51, "\xe9" * 50)
    assert sys.getsizeof(name) == before  # what is encoded once, a str keeps


def test_a_handler_that_waits_while_numbers_are_shown_is_traced(tmp_path, nothing_left_on):
    values = [1.5, 2j, decimal.Decimal(1)] * 9
    ran = []

    def handler(*_):
        ran.append(True)

    def many():
        while len(ran) < 20:  # most of them begin to wait while `values` are shown
            give(values)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pyftrace.record(tmp_path / "run.data", values="safe"):
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            many()
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # whatever was raised
        signal.signal(signal.SIGALRM, before)
    events = pyftrace.open(tmp_path / "run.data").events()
    assert sum(e.event == "start" and e.function.endswith(".handler") for e in events) >= 19


LONG = [
    collections.deque(range(10**6)),
    dict.fromkeys(range(10**6)).keys(),
    dict.fromkeys(range(10**6)).items(),
    types.MappingProxyType(dict.fromkeys(range(10**6))),
    collections.defaultdict(int, dict.fromkeys(range(10**6))),
    slice("x" * 10**6),
    ValueError("x" * 10**6),
    ValueError(*range(10**5)),
    Point("x" * 10**6, 1),
    types.GenericAlias(tuple, tuple([int] * 10**5)),
    "x" * 300 + "'",  # which quotes it has is decided by what is cut too
    b"x" * 300 + b"'",
    bytearray(10**6),
]


@pytest.mark.parametrize("value", LONG, ids=lambda value: type(value).__name__)
def test_a_long_one_is_cut(value, capsys, nothing_left_on):
    pyftrace.trace(give)(value)
    assert f"Returning give-> {repr(value)[:117]}...\n" in capsys.readouterr().out


def test_a_released_memoryview_is_as_python_says(shown):
    view = memoryview(b"abc")
    view.release()
    assert shown(view) == repr(view)
    assert shown(view).startswith("<released memory at 0x")


@pytest.mark.skipif(sys.version_info < (3, 15), reason="frozendict is built in from 3.15 on")
def test_a_frozendict_is_as_python_says(shown):
    holds: list = []
    made = frozendict(a=1, b=holds)  # noqa: F821
    holds.append(made)
    for value in (made, holds, frozendict(), made.keys(), made.items()):  # noqa: F821
        assert shown(value) == repr(value)
