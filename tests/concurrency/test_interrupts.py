"""Ctrl-C in the middle of a call leaves the memory usable, and nothing half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

import memkit
from memkit.ports import View
from memkit.testing.embedders import HashEmbedder
from memkit.values import Cue, Draft, Event, Hit

SAID = ["The kettle is broken.", "The lamp was repaired.", "The gate squeaks."]


@contextmanager
def interrupted_after(statement: int) -> Iterator[None]:
    """Ctrl-C after the SQL statement of that number, of all that SQLAlchemy executes."""
    left = statement

    def count(connection: Connection, cursor: Any, *rest: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt

    event.listen(Engine, "after_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(Engine, "after_cursor_execute", count)


def held(memory: memkit.Memory) -> list[str]:
    """The texts that it holds, after checking that exactly these are found."""
    texts = [one.text for one in memory.history()]
    assert memory.sync().records["passages"] == len(texts)
    for text in texts:
        assert memory.recall(text, k=1, floor=0)[0].text == text
    return texts


VERBS: dict[str, tuple[Callable[[memkit.Memory], object], list[str]]] = {
    "add": (
        lambda memory: memory.add([{"content": "New.", "key": "k"}, {"content": "Also new."}]),
        [*SAID, "New.", "Also new."],
    ),
    "recall": (lambda memory: memory.recall("kettle"), SAID),
    "forget": (lambda memory: memory.forget(session="s1", verify=True), []),
    "sync": (lambda memory: memory.sync(), SAID),
}


@pytest.mark.parametrize("where", ["memory.db", ":memory:"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_interrupted_after_a_statement_happened_whole_or_not_at_all(
    tmp_path: Path, verb: str, where: str
) -> None:
    call, after = VERBS[verb]
    interruptions = 0
    for statement in range(1, 200, 2):
        place = where if where == ":memory:" else str(tmp_path / f"{statement}-{where}")
        with memkit.open(place, embedder=HashEmbedder(), durability="process") as memory:
            memory.add(SAID, session="s1")
            if verb == "forget":
                memory.sync()
            try:
                with interrupted_after(statement):
                    call(memory)
            except KeyboardInterrupt:
                interruptions += 1
                assert held(memory) in (SAID, after)
                assert memory.add("Afterwards.").added == 1
                assert "Afterwards." in held(memory)
            else:
                assert held(memory) == after
                break
    assert interruptions


class Halting:
    """A component during whose work somebody presses Ctrl-C, once."""

    name = "halting"

    def __init__(self) -> None:
        self.halts = 1

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        if self.halts:
            self.halts -= 1
            raise KeyboardInterrupt
        return Draft()

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        return []


def test_a_component_that_was_interrupted_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with memkit.open(tmp_path / "memory.db", components=[Halting(), memkit.Passages()]) as memory:
        memory.add(SAID)
        with pytest.raises(KeyboardInterrupt):
            memory.recall("kettle")
        assert memory.recall("kettle")[0].text == SAID[0]
        stats = memory.stats()
        assert stats.pending == {"halting": 0, "passages": 0}
        assert stats.deferred == ()
