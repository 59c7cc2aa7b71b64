"""The verbs, as a user calls them, on both faces."""

import asyncio
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import memkit
from memkit import Document, Event

DAY = datetime(2024, 5, 8, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[memkit.Memory]:
    where = tmp_path / "memory.db" if request.param == "sqlite" else request.getfixturevalue("fresh_postgres_url")
    with memkit.open(where) as memory:
        yield memory


def test_what_is_said_of_one_thing_goes_before_what_is_said_of_all(memory: memkit.Memory) -> None:
    message = {"role": "assistant", "content": "two", "name": "Bot", "at": "2024-05-09", "session": "t"}
    memory.add(
        ["one", {**message, "metadata": {"k": 2}}, Document(text="three", title="Title", metadata={"j": 3})],
        session="s",
        author="Ana",
        at=DAY,
        metadata={"k": 1, "j": 1, "title": "none"},
    )
    one, two, three = memory.history()
    assert (one.role, one.author, one.session, one.at) == ("user", "Ana", "s", DAY)
    assert [event.metadata["k"] for event in (one, two, three)] == [1, 2, 1]
    assert (three.metadata["title"], three.metadata["j"], three.kind) == ("Title", 3, "document")
    assert (two.role, two.author, two.session, two.at) == ("assistant", "Bot", "t", DAY + timedelta(days=1))


def test_a_list_is_stored_whole_or_not_at_all_and_a_stream_in_batches(memory: memkit.Memory) -> None:
    with pytest.raises(ValueError, match="item 2"):
        memory.add(["one", "two", ""])
    assert memory.history() == []

    def stream() -> Iterator[str]:
        yield from (f"{n}" for n in range(2500))

    receipt = memory.add(stream())
    assert (receipt.added, len(receipt.ids)) == (2500, 2500)
    assert [event.text for event in memory.history(last=2)] == ["2498", "2499"]


def test_a_key_makes_adding_idempotent_also_within_a_call_and_a_stream(memory: memkit.Memory) -> None:
    first = memory.add("one", key="k")
    again = memory.add("another", key="k")
    assert (first.added, again.added, again.ids) == (1, 0, first.ids)
    twice = memory.add([{"content": "a", "key": "l"}, {"content": "b", "key": "l"}])
    assert (twice.added, twice.ids[0]) == (1, twice.ids[1])
    keyed = ({"content": f"{n}", "key": f"{n % 1200}"} for n in range(2400))
    receipt = memory.add(keyed)
    assert receipt.added == 1200
    assert receipt.ids[:1200] == receipt.ids[1200:]
    assert memory["other"].add("one", key="k").added == 1


def test_an_export_brings_everything_back(memory: memkit.Memory, tmp_path: Path) -> None:
    memory.add(
        [
            "line\nbreak \u2028 and é 😀",
            {"role": "assistant", "content": "two", "key": "k", "metadata": {"a": [1, 2.5, None, True, {"é": "x"}]}},
            Document(text="A text.", title="Title"),
        ],
        session="s",
        at="2024-05-08T10:00:00.123456+02:00",
    )
    memory["other"].add("elsewhere")
    lines = list(memory.export()) + list(memory["other"].export())
    assert all("\n" not in line for line in lines)
    with memkit.open(tmp_path / "copy.db") as copy:
        assert copy.add(memkit.read_export(lines)).added == 4
        assert copy.add(memkit.read_export(lines)).added == 0
        assert list(copy.export()) + list(copy["other"].export()) == lines
        assert copy.recall("title text")[0].text == "A text."
    assert [event.text for event in memory.history(session="s", role="assistant")] == ["two"]


def test_recall_answers_by_every_filter(memory: memkit.Memory) -> None:
    for n in range(12):
        memory.add(
            f"the dog number{n}",
            session=f"s{n % 3}",
            role="user" if n % 2 else "assistant",
            author=f"a{n % 4}",
            at=DAY + timedelta(days=n),
            metadata={"n": n, "even": n % 2 == 0},
        )

    def found(**scope: object) -> set[int]:
        return {int(hit.text[14:]) for hit in memory.recall("dog", k=12, floor=0, **scope)}  # type: ignore[arg-type]

    assert found() == set(range(12))
    assert found(session="s1") == {1, 4, 7, 10}
    assert found(session=["s1", "s2"], role="user") == {1, 5, 7, 11}
    assert found(author=("a0", "a9")) == {0, 4, 8}
    assert found(since=DAY + timedelta(days=3), until="2024-05-14") == {3, 4, 5}
    assert found(metadata={"even": True, "n": 4}) == {4}
    assert found(metadata={"even": 1}) == set()
    assert found(session=[]) == set()
    assert found(kind="document") == set()
    assert found(as_of=DAY) == set()
    ids = [event.id for event in memory.history(last=2)]
    assert found(ids=ids) == {10, 11}
    assert memory.forget(ids=ids).events == 2
    assert found(ids=ids) == set()


def test_neighbours_are_turns_of_the_same_session_that_the_filter_admits(memory: memkit.Memory) -> None:
    for n, role in enumerate(["user", "assistant", "user", "assistant", "user"]):
        memory.add(f"turn{n}", session="s", role=role)
        memory.add(f"noise{n}", session="other")
    (hit,) = memory.recall("turn2", k=1, neighbours=1)
    assert ([one.text for one in hit.before], [one.text for one in hit.after]) == (["turn1"], ["turn3"])
    (hit,) = memory.recall("turn2", k=1, neighbours=2, role="user", session="s")
    assert ([one.text for one in hit.before], [one.text for one in hit.after]) == (["turn0"], ["turn4"])


def test_time_travel_asks_what_was_recorded_by_then(memory: memkit.Memory) -> None:
    memory.add("the dog is called Toby", at=DAY)
    between = datetime.now(UTC)
    memory.add("the dog is called Rex", at=DAY)
    assert [hit.text for hit in memory.recall("dog called", as_of=between)] == ["the dog is called Toby"]
    assert len(memory.recall("dog called")) == 2


def test_forgetting_everything_has_to_be_said(memory: memkit.Memory) -> None:
    memory.add("one")
    with pytest.raises(ValueError, match="forget what"):
        memory.forget()
    assert memory.forget(session="none").events == 0
    assert memory.forget(everything=True).events == 1
    memory.add("two", namespace="ana")
    assert memory.forget(namespace="ana").events == 1
    assert memory.stats().namespaces == 0


def test_the_async_face_has_the_same_verbs(memory: memkit.Memory, tmp_path: Path) -> None:
    async def scene() -> None:
        async with await memkit.open_async(tmp_path / "async.db") as face:
            bound = face["ana"]
            receipt = await bound.add(["The dog is called Toby.", "We moved to Lisbon."], session="s")
            assert [hit.text for hit in await bound.recall("Lisbon", k=1)] == ["We moved to Lisbon."]
            assert [event.id for event in await bound.history(session="s", last=1)] == [receipt.ids[1]]
            assert (await bound.stats()).events == (await face.sync()).events == 2
            lines = [line async for line in bound.export()]
            assert [event.id for event in memkit.read_export(lines)] == list(receipt.ids)
            assert (await bound.forget(session="s", verify=True)).proven
            assert list(await bound.recall("Lisbon")) == []
        with pytest.raises(memkit.ClosedError):
            await face.history()

    asyncio.run(scene())


def test_both_faces_have_the_same_verbs_and_arguments() -> None:
    verbs = {name for name in vars(memkit.Memory) if not name.startswith("_")}
    assert verbs == {name for name in vars(memkit.AsyncMemory) if not name.startswith("_")}
    for verb in verbs - {"llm"}:  # a property
        one, other = (inspect.signature(getattr(face, verb)) for face in (memkit.Memory, memkit.AsyncMemory))
        assert list(one.parameters.values()) == list(other.parameters.values()), verb


def test_an_event_of_its_own_is_kept_as_it_is(memory: memkit.Memory) -> None:
    event = Event(id="mine", namespace="default", text="hello", at=DAY, recorded=DAY, kind="note", metadata={"k": None})
    assert memory.add(event).ids == ("mine",)
    (back,) = memory.history()
    assert (back.id, back.kind, back.at, back.recorded, back.metadata) == ("mine", "note", DAY, DAY, {"k": None})
