"""Assertions on what a memory recalls, and what they say when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

import memkit
from memkit.testing.components import Notes
from memkit.testing.recalls import assert_recalls, assert_recalls_async
from memkit.testing.scripted import ScriptedModel
from memkit.values import Draft, Event, Hit


@pytest.fixture
def memory() -> Iterator[memkit.Memory]:
    with memkit.open(":memory:") as opened:
        yield opened


def failure(check: Callable[[], object]) -> str:
    """What the failing assertion says."""
    with pytest.raises(AssertionError) as failed:
        check()
    return str(failed.value)


def fill(memory: memkit.Memory) -> None:
    for number in range(8):
        memory.add(f"Ana swam in lake number {number} in Sweden.", author="Ana", session="swimming")
    memory.add("Lakes bore Ben.", author="Ben", session="walk")


def test_a_text_is_found_whatever_its_case_and_spaces(memory: memkit.Memory) -> None:
    memory.add("I moved  to\nLisbon in May.", author="Ana")
    recall = assert_recalls(memory, "Who moved?", "moved TO lisbon")
    assert isinstance(recall, memkit.Recall)
    assert len(recall) == 1


def test_everything_expected_must_be_there(memory: memkit.Memory) -> None:
    memory.add(["Ana moved to Lisbon.", "Ben moved to Porto."])
    assert_recalls(memory, "Who moved?", ["Lisbon", "Porto"])
    said = failure(lambda: assert_recalls(memory, "Who moved?", ["Lisbon", "Madrid"]))
    assert "'Madrid' is not in the first 5 hits of 'Who moved?'.\n  It is nowhere in the journal" in said
    assert "'Lisbon' is not" not in said
    assert "2 hits for" in said  # what was recalled, explained
    assert "Ana moved to Lisbon." in said
    assert "words" in said


def test_the_id_of_an_event_can_be_expected(memory: memkit.Memory) -> None:
    (id,) = memory.add("Ana moved to Lisbon.").ids
    assert_recalls(memory, "Who moved?", id)
    assert f"'{id}x' is not" in failure(lambda: assert_recalls(memory, "Who moved?", f"{id}x"))


def test_a_function_can_be_expected(memory: memkit.Memory) -> None:
    def by_ana(hit: Hit) -> bool:
        return hit.author == "Ana"

    memory.add("Nobody moved.", author="Ben")
    said = failure(lambda: assert_recalls(memory, "Who moved?", by_ana))
    assert "what by_ana looks for is not in the first 5 hits" in said
    memory.add("Ana moved to Lisbon.", author="Ana")
    assert_recalls(memory, "Who moved?", by_ana)


def test_what_must_be_absent_may_not_be_a_hit(memory: memkit.Memory) -> None:
    memory.add("Ana moved to Lisbon.")
    assert_recalls(memory, "Who moved?", absent=["Porto", lambda hit: hit.score > 1])
    said = failure(lambda: assert_recalls(memory, "Who moved?", "Ana", absent="Lisbon"))
    assert "'Lisbon' must be absent, and is hit 1 of 'Who moved?'." in said


def test_what_lies_beyond_k_is_told_with_its_rank(memory: memkit.Memory) -> None:
    fill(memory)
    texts = [hit.text for hit in memory.recall("Where did Ana swim in a lake in Sweden?", k=20)]
    assert len(texts) > 3
    said = failure(lambda: assert_recalls(memory, "Where did Ana swim in a lake in Sweden?", texts[3], k=2))
    assert "is not in the first 2 hits of" in said
    assert f"It is hit 4 of {len(texts)}, beyond k=2: " in said
    assert f"Ana] {texts[3]}" in said


def test_what_lies_below_the_floor_is_told_with_its_score() -> None:
    with memkit.open(":memory:", components=[memkit.Passages(floor=0.99)]) as memory:
        memory.add("Ana moved to Lisbon with her two otters.")
        said = failure(lambda: assert_recalls(memory, "Which otters does Zoe have?", "Lisbon"))
    assert "It is hit 1 of 1, below the floor, so that it is left out: 0." in said
    assert "No hits for" in said


def test_what_shares_nothing_with_the_question_is_told_with_its_row() -> None:
    with memkit.open(":memory:", components=[Notes()]) as memory:
        memory.add("Ana moved to Lisbon.")
        said = failure(lambda: assert_recalls(memory, "zebra?", "Lisbon"))
    assert "A row has it, but nothing in common with the question: " in said
    assert "Ana moved to Lisbon." in said


def test_what_the_filters_leave_out_is_told(memory: memkit.Memory) -> None:
    fill(memory)
    assert_recalls(memory, "Who does not like lakes?", "Ben", session="walk")
    said = failure(lambda: assert_recalls(memory, "Who does not like lakes?", "Ben", session="swimming"))
    assert "It is in the journal, but the filters leave it out: " in said
    assert "Lakes bore Ben." in said


def test_namespaces_are_walls_here_too(memory: memkit.Memory) -> None:
    memory["ana"].add("I moved to Lisbon.")
    assert_recalls(memory["ana"], "Who moved?", "Lisbon")
    assert_recalls(memory, "Who moved?", "Lisbon", namespace="ana")
    assert "nowhere in the journal" in failure(lambda: assert_recalls(memory["ben"], "Who moved?", "Lisbon"))


def test_what_was_set_aside_is_told_with_the_error() -> None:
    def fail(event: Event) -> None:
        raise ValueError("no such town")

    with memkit.open(":memory:", components=[Notes(trouble=fail)]) as memory:
        memory.add(["Ana moved to Lisbon.", "Ben moved."])
        said = failure(lambda: assert_recalls(memory, "Who moved?", "Lisbon"))
    assert "It is in the journal: " in said
    assert "notes failed on it 3 times" in said
    assert said.count("set it aside") == 1  # Ben's turn is not asked about
    assert "no such town" in said
    assert "No component" not in said


def test_what_was_not_absorbed_yet_is_told_unless_it_is_waited_for() -> None:
    class Slow(Notes):
        asks = True

    with memkit.open(":memory:", components=[Slow("slow")], llm=ScriptedModel([])) as memory:
        memory.add("Ana moved to Lisbon.")
        said = failure(lambda: assert_recalls(memory, "Who moved?", "Lisbon", wait=False))
        assert "slow has 1 events still to absorb" in said
        assert_recalls(memory, "Who moved?", "Lisbon")


def test_what_no_component_kept_is_told() -> None:
    class Deaf(Notes):
        async def absorb(self, events: Sequence[Event], view: Any, /) -> Draft:
            return Draft()

    with memkit.open(":memory:", components=[Deaf()]) as memory:
        memory.add("Ana moved to Lisbon.")
        said = failure(lambda: assert_recalls(memory, "Who moved?", "Lisbon"))
    assert "It is in the journal: " in said
    assert "No component has made a row of it" in said


@pytest.mark.parametrize("expected", [(), "", " ", [""], [None]], ids=repr)
def test_an_assertion_that_could_not_fail_is_refused(memory: memkit.Memory, expected: Any) -> None:
    with pytest.raises(ValueError, match=r"could not fail|cannot be looked for"):
        assert_recalls(memory, "Who moved?", expected)


def test_an_async_memory_is_awaited() -> None:
    async def use() -> str:
        async with await memkit.open_async(":memory:") as memory:
            await memory.add("Ana moved to Lisbon.", author="Ana")
            recall = await assert_recalls_async(memory, "Who moved?", "lisbon", absent="Porto")
            assert recall[0].author == "Ana"
            with pytest.raises(AssertionError) as failed:
                await assert_recalls_async(memory, "Who moved?", ["Porto"], author="Ben")
            with pytest.raises(AssertionError, match="the filters leave it out"):
                await assert_recalls_async(memory, "Who moved?", "Lisbon", author="Ben")
            return str(failed.value)

    assert "'Porto' is not in the first 5 hits of 'Who moved?'.\n  It is nowhere" in asyncio.run(use())


def test_each_face_has_its_own(memory: memkit.Memory) -> None:
    with pytest.raises(TypeError, match="an AsyncMemory has assert_recalls_async"):
        assert_recalls(object(), "Who?", "Ana")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a Memory has assert_recalls"):
        asyncio.run(assert_recalls_async(memory, "Who?", "Ana"))  # type: ignore[arg-type]
