"""docs/recipes.md does what it says: the recipes that no other test goes through."""

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import Run, clean_environment

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

def overview(session, *options):
    return [count_orders(c) for c in session.scalars(select(Customer).options(*options))]
"""
TEST_SHOP = """\
import pyftrace
import pytest
import shop

@pytest.mark.parametrize("options", [(), (shop.selectinload(shop.Customer.orders),)])
def test_overview_needs_two_queries(options):
    with shop.Session(shop.engine) as session:
        with pyftrace.report(function=["*.do_execute", "shop.*"]) as r:
            assert shop.overview(session, *options) == [2] * 10
    assert r.calls("*.do_execute") <= 2
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


def test_a_query_too_many_names_its_caller(python: Run, tmp_path: Path):
    pytest.importorskip("sqlalchemy")
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_shop.py").write_text(TEST_SHOP)
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py")
    assert "assert 11 (by shop.count_orders 10, shop.overview 1) <= 2" in done.stdout
    assert "1 failed, 1 passed" in done.stdout


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
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{user}") as answer:
            assert answer.read() == user.encode()
    while not (tmp_path / "pyftrace.data" / "dump-1" / "run").exists():
        time.sleep(0.01)
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0
    server.stdout.close()
    shown = pyftrace("replay", "--min-time", "100ms").stdout.splitlines()
    assert [line.split("  [")[0] for line in shown] == [
        "Called Handler.do_GET:11(self=<__main__.Handler object>)",
        "    Called handle:7(path='/42')",
        "        Called lookup:3(user='42')",
        "        Returning lookup",
        "    Returning handle",
        "Returning Handler.do_GET",
    ]
