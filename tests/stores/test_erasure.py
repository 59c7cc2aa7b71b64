"""Forgetting is forgetting: no byte of a forgotten text is left in any file, and `verify` would see one that was."""

import ast
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

import memkit
from memkit.testing.contracts.samples import an_event
from memkit.testing.embedders import HashEmbedder
from memkit.values import Event, Where
from memkit_stores import SqlStore
from memkit_stores.erasure import BLOCK, Pieces
from memkit_stores.tables import records

WINDOW = 12  # bytes: half of what the proof promises to find, so that it cannot prove itself
SECRET = "the secret ingredient of the cake is nutmeg, and nobody else may ever know it"
SPACES = ("default", "acme/ana", "acme/ben")


def contents(path: Path) -> dict[str, bytes]:
    """Every file in the database's folder and below. Another process reads them: see `memkit_stores.descriptors`."""
    names = [str(found) for found in sorted(path.parent.rglob("*")) if found.is_file()]
    return {name: subprocess.check_output(["cat", name]) for name in names}


def windows(texts: Sequence[str]) -> set[bytes]:
    """All runs of WINDOW bytes of the texts, plain and as JSON stores them."""
    found: set[bytes] = set()
    for one in texts:
        for form in (one, json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1]):
            data = form.encode()
            found |= {data[n : n + WINDOW] for n in range(len(data) - WINDOW + 1)}
    return found


def left(path: Path, forgotten: Sequence[str], kept: Sequence[str]) -> list[tuple[str, bytes]]:
    """Where bytes of what was forgotten, and only of that, are found by looking at every place of every file."""
    wanted = windows(forgotten) - windows(kept)
    starts = np.array([int.from_bytes(window[:8], "little") for window in wanted], np.uint64)
    traces: list[tuple[str, bytes]] = []
    for name, data in contents(path).items():
        # Eight bytes of every place at once; a loop over places takes minutes on a busy machine.
        here = np.frombuffer(data + bytes(8), np.uint8)
        places = sum((here[n : n + len(data)].astype(np.uint64) << np.uint64(8 * n) for n in range(8)), np.uint64(0))
        found = [data[n : n + WINDOW] for n in np.flatnonzero(np.isin(places, starts)).tolist()]
        traces += [(name, window) for window in found if window in wanted]
    return traces


def said(events: Sequence[Event]) -> list[str]:
    return [part for event in events for part in (event.text, *map(str, event.metadata.values()))]


# --- whatever was said, whatever of it is forgotten -----------------------------------------------

letters = st.characters(exclude_categories=["Cs", "Cc"])
short = st.text(letters, min_size=1, max_size=40).filter(str.strip)
words = st.lists(st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzäé日本😀"), min_size=3, max_size=9), min_size=1)
long = words.map(
    lambda some: " ".join(f"{word}{n}." if n % 7 == 0 else f"{word}{n}" for n in range(900) for word in some[:2])
)


@dataclass(frozen=True)
class Round:
    """Something is said, then something is forgotten."""

    texts: list[str]
    captions: list[str]
    documents: bool
    forget: frozenset[int]  # of everything there then


rounds = st.builds(
    Round,
    texts=st.lists(st.one_of(short, short, long), min_size=1, max_size=6),
    captions=st.lists(short, min_size=1, max_size=2),
    documents=st.booleans(),
    forget=st.frozensets(st.integers(0, 12), min_size=1, max_size=6),
)


@given(story=st.lists(rounds, min_size=1, max_size=3), embedded=st.booleans())
@settings(max_examples=15, deadline=None)
def test_no_byte_of_what_was_forgotten_is_left_in_any_file(story: list[Round], embedded: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.db"
        gone: list[str] = []
        embedder = HashEmbedder(16) if embedded else None
        with memkit.open(path, embedder=embedder, durability="process") as memory:
            for one in story:
                for n, what in enumerate(one.texts):
                    memory.add(
                        what,
                        namespace=SPACES[n % 3],
                        kind="document" if one.documents else "turn",
                        metadata={"caption": one.captions[n % len(one.captions)], "more": {"n": [what[:30]]}}
                        if n % 2
                        else {},
                    )
                memory.sync()
                there = [event for space in SPACES for event in memory.history(namespace=space)]
                doomed = [event for n, event in enumerate(there) if n in one.forget]
                gone += said(doomed)
                for space in SPACES:
                    ids = [event.id for event in doomed if event.namespace == space]
                    result = memory.forget(namespace=space, ids=ids, verify=True)
                    assert result.proven, result.traces
                    assert result.events == len(ids)
                kept = said([event for event in there if event not in doomed])
                assert left(path, gone, kept) == []
        assert left(path, gone, kept) == []


def test_what_was_forgotten_without_proof_is_gone_from_the_log_and_from_every_row(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with memkit.open(path) as memory:
        memory.add(["We had cake.", SECRET], session="s")
        memory.recall("cake")
        memory.forget(ids=memory.history()[1].id)
        assert b"nutmeg" not in contents(path)[f"{path}-wal"]
        assert left(path, [SECRET], ["We had cake."]) == []


def test_of_a_namespace_that_was_forgotten_not_even_the_name_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with memkit.open(path) as memory:
        memory.add(["one", "two"], namespace="users/ana-maria")
        memory.add("three", namespace="users/ben")
        memory.sync()
        memory.forget(namespace="users/ana-maria", verify=True)
        with closing(sqlite3.connect(path)) as raw:
            for table, column in (("cursors", "namespace"), ("namespaces", "path"), ("events", "namespace")):
                assert raw.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall() == [("users/ben",)]


def test_what_others_said_too_is_no_trace(tmp_path: Path) -> None:
    with memkit.open(tmp_path / "memory.db") as memory:
        for who in ("ana", "ben"):
            memory.add(SECRET, namespace=who, metadata={"caption": f"{SECRET} (seen by {who}, who baked it)"})
            memory.sync()
        result = memory.forget(namespace="ana", verify=True)
        assert result.proven
        assert memory.recall("nutmeg", namespace="ben")[0].text == SECRET
        assert left(tmp_path / "memory.db", ["(seen by ana, who baked it)"], ["(seen by ben, who baked it)"]) == []


# --- what is left on purpose is found -------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A memory of three things, one of them to be forgotten."""
    path = tmp_path / "memory.db"
    with memkit.open(path) as memory:
        memory.add("We had cake on Sunday, with everybody.", session="s")
        memory.add(SECRET, session="secret", metadata={"caption": 'Ein „schöner“ Kuchen\nmit "Muskat" gewürzt'})
        memory.add("It rained on Monday, and so we stayed.", session="s")
        memory.sync()
    return path


def test_a_copy_in_another_table_is_found(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE backup AS SELECT text FROM events")
        raw.commit()
    with memkit.open(path) as memory:
        result = memory.forget(session="secret", verify=True)
    assert result.events == 1
    assert not result.proven
    assert [trace.place for trace in result.traces or ()] == [str(path)]


def test_a_copy_of_the_metadata_alone_is_found_as_json_writes_it(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE backup AS SELECT metadata FROM events")
        raw.commit()
    with memkit.open(path) as memory:
        assert not memory.forget(session="secret", verify=True).proven


def test_a_copy_in_a_file_of_the_index_folder_is_found(path: Path) -> None:
    folder = path.with_name("memory.db-indexes")
    folder.mkdir(exist_ok=True)
    (folder / "somebody.hnsw").write_bytes(b"\0" * 1000 + SECRET.encode() + b"\0" * 1000)
    with memkit.open(path) as memory:
        result = memory.forget(session="secret", verify=True)
    assert [trace.place for trace in result.traces or ()] == [str(folder / "somebody.hnsw")]


def test_what_lies_in_free_pages_is_found_and_wiped(path: Path) -> None:
    """A program that does not overwrite what it deletes has been here."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA secure_delete=OFF")
        raw.execute("CREATE TABLE backup AS SELECT text || text || text AS t FROM events")
        raw.commit()
        raw.execute("DROP TABLE backup")
        raw.commit()
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert path.read_bytes().count(SECRET.encode()) > 2
    with memkit.open(path) as memory:
        result = memory.forget(session="secret", verify=True)
        assert result.proven
        assert left(path, [SECRET], [event.text for event in memory.history()]) == []
        assert [event.session for event in memory.history()] == ["s", "s"]
        assert memory.recall("Monday")[0].text.startswith("It rained")


READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM events").fetchone()
print("reading", flush=True)
sys.stdin.readline()
"""


@contextmanager
def somebody_reads(path: Path) -> Iterator[None]:
    """Another process has a read transaction open, and with it keeps the write-ahead log in use."""
    command = [sys.executable, "-c", READER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdin is not None
        assert reader.stdout.readline() == "reading\n"
        try:
            yield
        finally:
            reader.stdin.write("\n")
            reader.stdin.close()


def test_a_log_that_another_process_keeps_in_use_is_told_and_emptied_later(
    path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = path.with_name("memory.db-wal")
    kept = ["We had cake on Sunday, with everybody.", "It rained on Monday, and so we stayed."]
    with memkit.open(path) as memory:
        memory.add("ok", session="brief")
        memory.add("something else, so that the log is not empty", session="other")
        with somebody_reads(path):
            result = memory.forget(session="secret", verify=True)
            assert not result.proven
            assert str(log) in {trace.place for trace in result.traces or ()}
            brief = memory.forget(session="brief", verify=True)  # too short to be searched for: told all the same
            assert [trace.place for trace in brief.traces or ()] == [str(log)]
            crashed = tmp_path_factory.mktemp("crashed")
            subprocess.check_call(["cp", str(path), str(log), str(crashed)])  # the disk if all processes died now
        assert memory.forget(session="other", verify=True).proven
    assert left(path, [SECRET], kept) == []
    assert left(crashed / "memory.db", [SECRET], kept) != []
    memkit.open(crashed / "memory.db").close()
    assert left(crashed / "memory.db", [SECRET], kept) == []


def test_a_row_that_was_left_is_found_on_both_databases(tmp_path: Path, fresh_postgres_url: str) -> None:
    for where in (str(tmp_path / "memory.db"), fresh_postgres_url):
        with memkit.open(where) as memory, closing(SqlStore(where)) as other:
            event = memory.history(ids=memory.add(SECRET, metadata={"caption": 'a "big"\nred cake, à la carte'}).ids)[0]
            row = {
                "namespace": "another",
                "component": "leak",
                "kind": "turn",
                "at": 0,
                "recorded": 0,
                "embed": False,
                "terms": b"\1",
                "position": 1,
                "start": 0,
                "weight": 1.0,
            }
            with other.database.write() as connection:
                connection.execute(insert(records).values(**row, text="nothing", metadata={"was": [event.metadata]}))
            result = memory.forget(everything=True, verify=True)
            assert not result.proven
            assert {trace.place for trace in result.traces or ()} >= {"table records"}
            with other.database.write() as connection:
                connection.execute(text("DELETE FROM records"))
            memory.add(SECRET)
            assert memory.forget(everything=True, verify=True).proven


@pytest.mark.parametrize("table", ["events", "records", "vectors", "lineage"])
def test_what_was_left_without_its_origin_is_found_however_short_the_text(tmp_path: Path, table: str) -> None:
    path = tmp_path / "memory.db"
    with memkit.open(path, embedder=HashEmbedder(8)) as memory:
        memory.add("ok", session="brief")
        memory.add("kept")
        memory.sync()
        with closing(sqlite3.connect(path)) as raw:  # all but one of its tables forget it
            for other in {"events", "records", "vectors", "lineage"} - {table}:
                column = {"events": "position", "records": "id", "vectors": "record", "lineage": "record"}[other]
                raw.execute(f"DELETE FROM {other} WHERE {column} = 1")
            raw.commit()
        result = memory.forget(session="nothing that is there", verify=True)
        assert result.proven == (table == "events")  # an event alone was not forgotten
        assert result.proven or f"table {table}" in {trace.place for trace in result.traces or ()}


QUOTED = 'She said "肉荳蔲入りのケーキです"\nand "pas de problème, c’est la noix de muscade"'


def in_json(text: str, depth: int, only_ascii: bool) -> str:
    for _ in range(depth):
        text = json.dumps({"said": text}, ensure_ascii=only_ascii)
    return text


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("only_ascii", [True, False])
def test_a_reply_under_another_event_that_quotes_what_was_forgotten_is_found(
    tmp_path: Path, fresh_postgres_url: str, depth: int, only_ascii: bool
) -> None:
    """Its sources do not say so, and so it was left. A model may write JSON, which is kept in JSON."""
    for where in (str(tmp_path / "memory.db"), fresh_postgres_url):
        with closing(SqlStore(where)) as store:
            for session in ("kept", "gone"):
                event = an_event(QUOTED if session == "gone" else "We had cake.", namespace="n", session=session)
                store.journal.append([event])
                reply = "nothing" if session == "gone" else in_json(QUOTED, depth, only_ascii)
                assert store.calls.keep("n", "c", session, reply, [event.id])
            result = store.upkeep.forget(Where(namespace="n", sessions=frozenset({"gone"})), verify=True)
            assert "table calls" in {trace.place for trace in result.traces or ()}
            assert store.calls.find("n", "c", ["kept", "gone"]).keys() == {"kept"}


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("only_ascii", [True, False])
def test_no_byte_of_a_forgotten_reply_is_left_and_one_that_was_would_be_found(
    tmp_path: Path, depth: int, only_ascii: bool
) -> None:
    path = tmp_path / "memory.db"
    reply = in_json(QUOTED, depth, only_ascii)
    for leaving in (False, True):
        with closing(SqlStore(str(path))) as store:
            for n in range(20):  # enough for several pages
                kept, gone = an_event(f"cake {n}", namespace="n", session="kept"), an_event(QUOTED, namespace="n")
                store.journal.append([kept, gone])
                assert store.calls.keep("n", "c", f"{n}", reply * n, [gone.id, kept.id])
                assert store.calls.keep("n", "c", f"{n}, too", f"cake {n} again", [kept.id])
            if leaving:
                with closing(sqlite3.connect(path)) as raw, raw:
                    raw.execute("CREATE TABLE backup AS SELECT reply FROM calls")
            ids = frozenset(event.id for event in store.journal.read(Where(namespace="n")) if event.session is None)
            result = store.upkeep.forget(Where(namespace="n", ids=ids), verify=True)
            assert [trace.place for trace in result.traces or ()] == ([str(path)] if leaving else [])
            if not leaving:
                assert left(path, [reply], [f"cake {n} again" for n in range(20)]) == []
                assert len(store.calls.find("n", "c", [f"{n}, too" for n in range(20)])) == 20
                store.upkeep.forget(Where(namespace="n"), verify=False)


def test_escapes_that_replies_have_in_common_are_no_trace(tmp_path: Path) -> None:
    """Escaped, a piece is two Japanese characters long."""
    with closing(SqlStore(str(tmp_path / "memory.db"))) as store:
        gone = an_event("彼女は日本語を勉強しています、毎日毎日", namespace="n")
        kept = an_event("I met a friend in Kyoto and we talked.", namespace="n")
        store.journal.append([gone, kept])
        assert store.calls.keep(
            "n", "c", "k", json.dumps({"fact": "友達は日本語で話す、彼女は京都にいます"}), [kept.id]
        )
        assert store.upkeep.forget(Where(namespace="n", ids=frozenset({gone.id})), verify=True).traces == ()


@pytest.mark.parametrize(
    ("gone", "kept"),
    [
        ('He said "hi" to the man from the Lisbon office', "I met the man from the Lisbon office"),
        (QUOTED, f"They told me: {QUOTED}"),
    ],
    ids=["plain", "escaped"],
)
def test_what_is_escaped_in_one_text_is_no_trace_when_others_said_it_too(tmp_path: Path, gone: str, kept: str) -> None:
    with closing(SqlStore(str(tmp_path / "memory.db"))) as store:
        event = an_event(gone, namespace="n", metadata={"caption": gone})
        store.journal.append([event, an_event(kept, namespace="n", metadata={"caption": kept})])
        assert store.upkeep.forget(Where(namespace="n", ids=frozenset({event.id})), verify=True).traces == ()


@pytest.mark.parametrize("table", ["events", "calls", "call_sources"])
def test_a_reply_that_was_left_without_its_event_is_found(tmp_path: Path, table: str) -> None:
    path = tmp_path / "memory.db"
    with closing(SqlStore(str(path))) as store:
        event = an_event("ok", namespace="n")
        store.journal.append([event, an_event("kept", namespace="n")])
        assert store.calls.keep("n", "c", "k", "yes", [event.id])
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute(f"DELETE FROM {table}")
        result = store.upkeep.forget(Where(namespace="n", sessions=frozenset({"none"})), verify=True)
        place = "table call_sources" if table == "calls" else "table calls"
        assert [trace.place for trace in result.traces or ()] == [place]


def test_what_was_searched_is_named(path: Path, fresh_postgres_url: str) -> None:
    with memkit.open(path) as memory:
        searched = memory.forget(session="secret", verify=True).searched
        assert {"table events", "table records", "table deferred", "table calls"} <= set(searched)
        assert {name.split(" ")[0] for name in searched if "bytes" in name} >= {"memory.db", "memory.db-wal"}
    with memkit.open(fresh_postgres_url) as memory:
        memory.add(SECRET)
        result = memory.forget(everything=True, verify=True)
        assert result.proven
        assert any("VACUUM" in name for name in result.searched)


def test_forgetting_in_memory_is_verified_in_the_tables() -> None:
    with memkit.open(":memory:") as memory:
        memory.add(SECRET)
        memory.sync()
        assert memory.forget(everything=True, verify=True).proven
        assert memory._engine.store.journal.read(Where(namespace="default")) == []


OTHER = """
import sys, memkit
with memkit.open(sys.argv[1]) as memory:
    memory.add("said by another process")
    print([event.text for event in memory.history()])
"""


def test_verifying_does_not_take_the_database_from_under_this_process(tmp_path: Path) -> None:
    """Closing any descriptor of the file would drop SQLite's locks: another process that closes it would then remove
    the log, and what is acknowledged here afterwards would be in a file without a name."""
    path = str(tmp_path / "memory.db")
    with memkit.open(path) as memory, memkit.open(path) as second:
        memory.add(["first", SECRET])
        for one in (memory, second):
            one.forget(
                since="2000-01-01", ids=[event.id for event in one.history() if event.text == SECRET], verify=True
            )
        second.close()
        said = ["first"]
        for n in range(3):
            output = subprocess.check_output([sys.executable, "-c", OTHER, path], text=True)
            memory.add(f"{n}")
            assert ast.literal_eval(output)[:-1] == said
            said = [event.text for event in memory.history()]
    output = subprocess.check_output([sys.executable, "-c", OTHER, path], text=True)
    assert ast.literal_eval(output) == [*said, "said by another process"]
    assert said == ["first", *(text for n in range(3) for text in ("said by another process", f"{n}"))]


# --- the search itself ----------------------------------------------------------------------------


@given(
    secret=st.text(letters, min_size=20, max_size=200),
    noise=st.binary(max_size=60),
    start=st.integers(0, 60),
    data=st.data(),
)
@settings(max_examples=100, deadline=None)
def test_any_31_bytes_of_a_text_are_found_at_any_place(
    secret: str, noise: bytes, start: int, data: st.DataObject
) -> None:
    raw = secret.encode()
    length = min(31, len(raw))
    begin = data.draw(st.integers(0, len(raw) - length))
    place = min(start, len(noise))
    planted = noise[:place] + raw[begin : begin + length] + noise[place:]
    assert list(Pieces([secret]).found(planted))
    innocent = bytes(byte ^ 0x80 for byte in planted if byte < 0x80)  # no byte of ASCII texts is in it
    if raw.isascii():
        assert not list(Pieces([secret]).found(innocent))


def test_a_text_that_lies_across_the_blocks_that_are_read_is_found(tmp_path: Path) -> None:
    file = tmp_path / "large"
    short = SECRET[:16]  # a single piece
    for before in (BLOCK - 15, BLOCK - 8, BLOCK - 1, BLOCK):
        file.write_bytes(b"\0" * before + short.encode())
        with FileIO(file) as content:
            assert Pieces([short]).in_file(content) is not None
    file.write_bytes(b"\0" * (2 * BLOCK))
    with FileIO(file) as content:
        assert Pieces([SECRET]).in_file(content) is None


def test_pieces_that_occur_elsewhere_prove_nothing() -> None:
    pieces = Pieces([SECRET])
    pieces.without([SECRET[:40].encode()])
    assert not list(pieces.found(SECRET[:40].encode()))
    assert list(pieces.found(SECRET.encode()))
