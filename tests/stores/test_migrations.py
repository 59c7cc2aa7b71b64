"""Files that other versions of memkit wrote.

`data/version-1.db` was written once, by the memkit that had schema version 1, and is never written again:

    with memkit.open("version-1.db") as memory:
        memory.add(EVENTS)  # with `recorded` as below
        memory.recall("dog")  # absorbs them
    with closing(sqlite3.connect("version-1.db", isolation_level=None)) as file:
        file.execute("VACUUM")  # closing the last connection removes the -wal
"""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import memkit
from memkit import Event

DATA = Path(__file__).parent / "data"
RECORDED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
EVENTS = [
    Event(
        id="e1",
        namespace="default",
        text="My dog is called Toby. 😀\nHe is two\u2028years old.",
        at=datetime(2023, 5, 8, 13, 56, 0, 123456, tzinfo=UTC),
        recorded=RECORDED,
        role="user",
        author="Ana",
        session="s1",
        key="k1",
        metadata={"a": [1, 2.5, None, True, {"é": "x"}]},
        position=1,
    ),
    Event(
        id="e2",
        namespace="default",
        text="Look at this!",
        at=datetime(2023, 5, 8, 13, 57, tzinfo=UTC),
        recorded=RECORDED,
        role="assistant",
        author="Bot",
        session="s1",
        metadata={"caption": "a lighthouse at dusk"},
        position=2,
    ),
    Event(
        id="e3",
        namespace="default",
        text="The ferry to Cacilhas leaves every half hour. The last one leaves at midnight.",
        at=datetime(1969, 7, 20, tzinfo=UTC),
        recorded=RECORDED,
        kind="document",
        metadata={"title": "Ferries", "pages": 3},
        position=3,
    ),
    Event(
        id="e4",
        namespace="ana/work",
        text="Standup is at nine.",
        at=datetime(2024, 2, 29, 9, tzinfo=UTC),
        recorded=RECORDED,
        role="user",
        session="s2",
        position=4,
    ),
]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the file that schema version 1 was written to."""
    return Path(shutil.copy(DATA / "version-1.db", tmp_path / "old.db"))


def test_the_stored_file_is_complete_small_and_of_version_one(old: Path) -> None:
    assert [path.name for path in DATA.glob("version-1*")] == ["version-1.db"]  # nothing is left in a -wal
    assert old.stat().st_size < 150_000
    with closing(sqlite3.connect(old)) as file:
        assert file.execute("SELECT value FROM meta WHERE name = 'schema'").fetchall() == [("1",)]


def test_every_event_of_an_old_file_is_there(old: Path) -> None:
    with memkit.open(old) as memory:
        assert [*memory.history(), *memory["ana/work"].history()] == EVENTS
        exported = [json.loads(line)["id"] for line in memory.export()]
        assert sorted(exported) == ["e1", "e2", "e3", "e4"]


def test_recall_finds_what_an_old_file_holds_without_absorbing_it_again(old: Path) -> None:
    with memkit.open(old) as memory:
        assert memory.stats().pending == {"passages": 0}
        for question, expected in (
            ("dog called", 0),
            ("lighthouse", 1),
            ("ferries midnight", 2),
            ("8 May 2023 dog", 0),
        ):
            hit = memory.recall(question)[0]
            assert (hit.text, hit.events, hit.metadata) == (
                EVENTS[expected].text,
                (EVENTS[expected].id,),
                EVENTS[expected].metadata,
            )
        assert [hit.text for hit in memory["ana/work"].recall("standup")] == ["Standup is at nine."]


def test_an_old_file_takes_new_events_knows_its_keys_and_forgets(old: Path) -> None:
    with memkit.open(old) as memory:
        assert memory.add("again", key="k1").ids == ("e1",)
        assert memory.add("The cat is called Mia.", session="s1", key="k2").added == 1
        assert memory.recall("cat called", k=1)[0].text == "The cat is called Mia."
        assert memory.forget(ids=["e1"], verify=True).proven
    with memkit.open(old) as memory:
        assert [event.id for event in memory.history()][:2] == ["e2", "e3"]
        assert memory.history(last=1)[0].position == 5
        assert [hit.text for hit in memory.recall("cat", k=1)] == ["The cat is called Mia."]


@pytest.mark.parametrize(
    "mode",
    [
        "wal",  # as memkit leaves it
        "delete",
    ],
)
def test_a_file_of_a_newer_memkit_is_refused_and_left_as_it_is(old: Path, mode: str) -> None:
    with closing(sqlite3.connect(old)) as file, file:
        file.execute("UPDATE meta SET value = '999' WHERE name = 'schema'")
    with closing(sqlite3.connect(old, isolation_level=None)) as file:
        file.execute(f"PRAGMA journal_mode={mode}")
    before = old.read_bytes()
    with pytest.raises(memkit.StoreError, match="newer memkit"):
        memkit.open(old)
    assert old.read_bytes() == before
    assert [path.name for path in old.parent.iterdir()] == ["old.db"]
