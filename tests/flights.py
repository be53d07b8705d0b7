"""A program for flight recorders, and what its rings and dumps hold."""

import os
from collections import Counter
from pathlib import Path

import pyftrace as api

APP = """\
import sys, time
def query(n): return n * 2
def handle(n):
    if n == 7: time.sleep(0.03)
    return query(n)
def serve(calls):
    for n in range(calls): handle(n)
def fail(n):
    query(n)
    raise ValueError(f"no {n}")
"""


def app(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "app.py"
    path.write_text(APP + text)
    return path


def calls(path: Path) -> "Counter[str | None]":
    recording = api.open(path)
    assert recording.damage == []
    return Counter(e.function for e in recording.events() if e.event == "start")


def functions(path: Path) -> list[str]:
    return [f"{e.event} {e.function}" for e in api.open(path).events()]


def names(path: Path) -> list[str]:
    return sorted(os.listdir(path)) if path.exists() else []
