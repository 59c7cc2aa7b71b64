"""`memkit bench add`: one durable add, one that survives the process only, and a batch, beside bare sqlite3."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypedDict

from memkit.evaluation.floors import BareTable, Row
from memkit.evaluation.machine import Machine, machine
from memkit.evaluation.timing import Cost, Measured, measure
from memkit.intake import new_id
from memkit.memory import Memory
from memkit.wiring import open_memory

# 24 words; a number is the 25th
TEXT = "on the way home we met an old friend who told us about the garden and how hard it was to leave the city"


class AddSettings(TypedDict):
    words: int
    blocks: int
    calls: int
    batch: int
    batches: int


class AddResults(TypedDict):
    one: dict[str, Cost]
    batch_per_turn: dict[str, Cost]
    cpu_ratio: dict[str, float]


class AddReport(TypedDict):
    machine: Machine
    settings: AddSettings
    results: AddResults


def bench_add(*, blocks: int = 20, calls: int = 50, batch: int = 1_000, batches: int = 10) -> AddReport:
    """The cost of adding one 25-word turn, and a list of `batch` of them (per turn), with both durabilities.

    Beside them the same row goes into a bare SQLite table, in write-ahead mode with synchronous=FULL ("sqlite3 disk") or
    NORMAL ("sqlite3 process"). "cpu_ratio" is memkit's CPU time over that.
    """
    before = machine()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="memkit-bench-")))
        memories = {
            "memkit disk": stack.enter_context(open_memory(folder / "disk.db", durability="disk")),
            "memkit process": stack.enter_context(open_memory(folder / "process.db", durability="process")),
        }
        tables = {
            "sqlite3 disk": BareTable(folder / "bare-disk.db", "FULL"),
            "sqlite3 process": BareTable(folder / "bare-process.db", "NORMAL"),
        }
        for table in tables.values():
            stack.callback(table.close)
        one = measure(_one(memories, tables), blocks=blocks, calls=calls)
        many = measure(_many(memories, tables, batch), blocks=batches, calls=1)
    return {
        "machine": before,
        "settings": {"words": 25, "blocks": blocks, "calls": calls, "batch": batch, "batches": batches},
        "results": {
            "one": {name: found.cost() for name, found in one.items()},
            "batch_per_turn": {name: found.cost(per=batch) for name, found in many.items()},
            "cpu_ratio": {
                **{f"one {kind}": _ratio(one, kind) for kind in ("disk", "process")},
                **{f"batch {kind}": _ratio(many, kind) for kind in ("disk", "process")},
            },
        },
    }


def _one(memories: dict[str, Memory], tables: dict[str, BareTable]) -> dict[str, Callable[[int], object]]:
    def remember(memory: Memory) -> Callable[[int], object]:
        return lambda number: memory.add(f"{number} {TEXT}", session="s1", author="Ana")

    def store(table: BareTable) -> Callable[[int], object]:
        return lambda number: table.add(_row(number))

    return {
        **{name: remember(memory) for name, memory in memories.items()},
        **{name: store(table) for name, table in tables.items()},
    }


def _many(memories: dict[str, Memory], tables: dict[str, BareTable], batch: int) -> dict[str, Callable[[int], object]]:
    turns = [{"content": f"{number} {TEXT}", "session": "s1", "author": "Ana"} for number in range(batch)]

    def remember(memory: Memory) -> Callable[[int], object]:
        return lambda _: memory.add(turns)

    def store(table: BareTable) -> Callable[[int], object]:
        return lambda _: table.add_all([_row(number) for number in range(batch)])

    return {
        **{name: remember(memory) for name, memory in memories.items()},
        **{name: store(table) for name, table in tables.items()},
    }


def _row(number: int) -> Row:
    """What memkit stores of the same turn."""
    now = 1_700_000_000_000_000
    return (new_id(), "default", "turn", "user", "Ana", "s1", None, now, now, f"{number} {TEXT}", json.dumps({}))


def _ratio(measured: dict[str, Measured], kind: str) -> float:
    mine, bare = (measured[f"{name} {kind}"].cost()["cpu_ms"] for name in ("memkit", "sqlite3"))
    return round(mine / bare, 2)
