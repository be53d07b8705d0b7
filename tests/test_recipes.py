"""docs/recipes.md does what it says: the recipes that tests/test_docs.py cannot run."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from conftest import Run, clean_environment, until
from pages import ROOT, Block, blocks_of, commands_of, mask

BLOCKS = blocks_of((ROOT / "docs" / "recipes.md").read_text("utf-8"))

SHOP = """\
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import (
    DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload,
)

class Base(DeclarativeBase):
    pass

class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    orders: Mapped[list["Order"]] = relationship()

class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))

engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add_all([Customer(orders=[Order(), Order()]) for _ in range(10)])
    session.commit()

def count_orders(customer):
    return len(customer.orders)

def overview(session):
    return [count_orders(c) for c in session.scalars(select(Customer))]
"""
MENDED = "(Customer).options(selectinload(Customer.orders)))"  # as the page says
CONFTEST = """\
import pytest, shop

@pytest.fixture
def session():
    with shop.Session(shop.engine) as session:
        yield session
"""
SERVER = """\
import http.server, time

def lookup(user):
    if user == "42": time.sleep(0.3)
    return user

def handle(path):
    return lookup(path.strip("/")).encode()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = handle(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    pass
"""


def text_with(words: str) -> str:
    """The page's only block with these words."""
    (text,) = (block.text for block in BLOCKS if words in block.text)
    return text


def test_a_query_too_many_names_its_caller(python: Run, tmp_path: Path):
    pytest.importorskip("sqlalchemy")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_shop.py").write_text(text_with("def test_overview"))
    for source, status in ((SHOP, 1), (SHOP.replace("(Customer))", MENDED), 0)):
        (tmp_path / "shop.py").write_text(source)
        done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py")
        assert done.returncode == status, done.stdout
        assert (text_with("AssertionError") in done.stdout) == bool(status)


def test_the_slow_request(pyftrace: Run, tmp_path: Path):
    (tmp_path / "server.py").write_text(SERVER)
    words = ["record", "-q", "-a", "--dump-on", "slow:Handler.do_GET:200ms", "server.py"]
    server = subprocess.Popen(
        [sys.executable, "-m", "pyftrace", *words],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    for user in ("1", "42", "2"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{user}", timeout=60) as answer:
            assert answer.read() == user.encode()
    until((tmp_path / "pyftrace.data" / "dump-1" / "run").exists)
    info, replay = commands_of(Block(1, "", text_with("pyftrace info"), {}), "console")
    told = pyftrace("info").stdout
    told = re.sub(r"\d+ (events  a ring)", r"8 \1", told)  # its last request may not be over
    assert mask(told) == mask(info.output)
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0
    server.stdout.close()
    assert mask(pyftrace(*replay.text.split()[1:]).stdout) == mask(replay.output)
