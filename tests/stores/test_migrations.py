"""Files that other versions of memkit wrote.

`data/version-1.db` was written once, by the memkit that had schema version 1, and is never written again:

    with memkit.open("version-1.db") as memory:
        memory.add(EVENTS)  # with `recorded` as below
        memory.recall("dog")  # absorbs them
    with closing(sqlite3.connect("version-1.db", isolation_level=None)) as file:
        file.execute("VACUUM")  # closing the last connection removes the -wal

`data/version-2.db` was written in the same way by the memkit that had schema version 2, with the vectors of
`HashEmbedder(16)`, and with one more step before the last:

    with closing(SqlStore("version-2.db")) as store:
        store.calls.keep("default", "passages", "k", "reply", ["e1"])
"""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, create_engine, inspect, update

import memkit
from memkit import Event
from memkit.testing.contracts.samples import a_draft, an_extraction
from memkit.testing.embedders import HashEmbedder
from memkit.testing.threads import at_once
from memkit.values import Fact, Where
from memkit_stores import SqlStore, migrations, tables

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


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A copy of the file that schema version 2 was written to."""
    return Path(shutil.copy(DATA / "version-2.db", tmp_path / "second.db"))


@pytest.mark.parametrize("version", [1, 2])
def test_the_stored_files_are_complete_small_and_of_their_versions(version: int) -> None:
    name = f"version-{version}"
    assert [path.name for path in DATA.glob(f"{name}*")] == [f"{name}.db"]  # nothing is left in a -wal
    assert (DATA / f"{name}.db").stat().st_size < 150_000
    with closing(sqlite3.connect(f"file:{DATA / name}.db?mode=ro&immutable=1", uri=True)) as file:
        assert file.execute("SELECT value FROM meta WHERE name = 'schema'").fetchall() == [(f"{version}",)]


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


def schema_of(path: Path) -> list[tuple[str, ...]]:
    """Every table and index of a SQLite file, with the statement that made it."""
    with closing(sqlite3.connect(path)) as file:
        return sorted(file.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master"))


def of_version(connection: Connection, version: int) -> None:
    """Make the tables as they were in a version, in an empty database."""
    for step in migrations.STEPS[:version]:
        step(connection)
    connection.execute(update(tables.meta).where(tables.meta.c.name == "schema").values(value=str(version)))


@pytest.mark.parametrize("version", [1, 2])
def test_the_first_steps_make_the_tables_that_a_version_had(version: int, tmp_path: Path) -> None:
    """Whatever has become of them since."""
    old = Path(shutil.copy(DATA / f"version-{version}.db", tmp_path / "old.db"))
    engine = create_engine(f"sqlite:///{tmp_path / 'first.db'}")
    with engine.begin() as connection:
        of_version(connection, version)
    engine.dispose()
    assert schema_of(tmp_path / "first.db") == schema_of(old)
    with closing(sqlite3.connect(tmp_path / "first.db")) as one, closing(sqlite3.connect(old)) as other:
        pragma = "PRAGMA application_id"
        assert one.execute(pragma).fetchone() == other.execute(pragma).fetchone()


def test_old_files_get_the_tables_that_a_new_one_has(old: Path, second: Path, tmp_path: Path) -> None:
    for path in (old, second, tmp_path / "new.db"):
        SqlStore(str(path)).close()
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("SELECT value FROM meta WHERE name = 'schema'").fetchall() == [("3",)]
    assert schema_of(old) == schema_of(second) == schema_of(tmp_path / "new.db")
    made = {"calls", "call_sources_by_event", "extractions", "edges", "edges_by_label", "nodes", "synonyms", "likened"}
    assert {name for _, name, *_ in schema_of(old)} >= made


@pytest.mark.parametrize("version", [1, 2])
def test_an_old_postgres_database_gets_the_tables_that_a_new_one_has(version: int, fresh_postgres_url: str) -> None:
    def schema(connection: Connection) -> object:
        found = inspect(connection)
        return [
            (
                name,
                [{**column, "type": repr(column["type"])} for column in found.get_columns(name, migrations.SCHEMA)],
                found.get_pk_constraint(name, migrations.SCHEMA),
                sorted(found.get_indexes(name, migrations.SCHEMA), key=lambda index: str(index["name"])),
                sorted(found.get_unique_constraints(name, migrations.SCHEMA), key=lambda one: str(one["name"])),
            )
            for name in sorted(found.get_table_names(migrations.SCHEMA))
        ]

    SqlStore(fresh_postgres_url).close()
    engine = create_engine(fresh_postgres_url, connect_args={"options": f"-c search_path={migrations.SCHEMA},public"})
    with engine.begin() as connection:
        new = schema(connection)
        connection.exec_driver_sql(f"DROP SCHEMA {migrations.SCHEMA} CASCADE")
        connection.exec_driver_sql(f"CREATE SCHEMA {migrations.SCHEMA}")
        of_version(connection, version)
    with engine.begin() as connection:
        assert schema(connection) != new
    SqlStore(fresh_postgres_url).close()
    with engine.begin() as connection:
        assert schema(connection) == new
    engine.dispose()


def test_an_old_file_that_several_open_at_once_is_brought_up_to_date_once(old: Path) -> None:
    at_once([lambda: SqlStore(str(old)).close()] * 4)
    with memkit.open(old) as memory:
        assert memory.history() == EVENTS[:3]


def test_rows_of_an_old_file_have_no_marks_and_take_replies(old: Path) -> None:
    with closing(SqlStore(str(old))) as store:
        shelf = store.derived.shelf("passages", Where(namespace="default"), None)
        assert shelf.size == 3
        assert shelf.marked("dog").tolist() == shelf.marked("").tolist() == []
        assert store.calls.keep("default", "passages", "k", "reply", ["e1"])
        assert not store.calls.keep("default", "passages", "l", "reply", ["e4"])
        assert store.calls.find("default", "passages", ["k", "l"]) == {"k": "reply"}


def test_a_file_of_version_two_has_its_events_rows_vectors_and_replies(second: Path) -> None:
    with memkit.open(second, embedder=HashEmbedder(16)) as memory:
        assert [*memory.history(), *memory["ana/work"].history()] == EVENTS
        stats = memory.stats()
        assert (stats.pending, stats.records, stats.unembedded) == ({"passages": 0}, {"passages": 4}, 0)
        hit = memory.recall("dog called", k=1)[0]
        assert (hit.text, "meaning" in hit.why) == (EVENTS[0].text, True)
    with closing(SqlStore(str(second))) as store:
        assert store.calls.find("default", "passages", ["k"]) == {"k": "reply"}


def test_a_file_of_version_two_takes_extractions_and_forgets_them(second: Path) -> None:
    one, two = (an_extraction(event, "toby", facts=(Fact("toby", "is", "two"),)) for event in EVENTS[:2])
    vector = np.ones(16, np.float32)
    with closing(SqlStore(str(second))) as store:
        space = store.spaces.every()[0][0]
        draft = a_draft(one, two, vectors={"toby": vector})
        assert store.derived.commit("default", "c", draft, space, since=0, upto=2)
        assert store.derived.extractions("c", Where(namespace="default")) == [one, two]
        wanted = ["toby", "two", one.facts[0].embedded]
        assert [text for _, text in store.spaces.missing(space, 9)] == wanted[1:]
        assert store.derived.unembedded("default", "c", wanted, space) == wanted[1:]
        assert store.upkeep.forget(Where(namespace="default", ids=frozenset({"e1"})), verify=True).proven
        assert store.derived.extractions("c", Where(namespace="default")) == [two]
        assert store.upkeep.rewind(None, "c") == 0
        assert store.derived.extractions("c", Where(namespace="default")) == []


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
