"""The audit finds what is wrong with a memory, changes nothing, and names the events by which it can be put right."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

import memkit
from memkit import Event, Memory, Passages
from memkit.audit import KINDS, audit
from memkit.ports import View
from memkit.testing.embedders import HashEmbedder
from memkit.values import Cue, Draft, Hit, Record, Source
from memkit.wiring import components_from

DAY = datetime(2024, 5, 8, tzinfo=UTC)


class Inventing:
    """A component that derives rows which their sources do not support."""

    name = "inventing"

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        rows = []
        for event in events:
            row = Record.of(event, self.name)
            rows += [
                replace(row, text="John Doe is an engineer at Google", kind="thought"),
                replace(row, text="Ana moved to Lisbon", kind="thought"),
                replace(row, text="I have always lived in Porto"),
            ]
        return Draft(tuple(rows))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        return []


class Greedy:
    """A component that learns all it is shown, prompts and pasted recalls as well, and the same row twice."""

    name = "greedy"

    async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
        return Draft(tuple(Record.of(event, self.name) for event in events for _ in range(2)))

    async def recall(self, cue: Cue, view: View, /) -> list[Hit]:
        return []


@pytest.fixture
def memory() -> Iterator[Memory]:
    with memkit.open(":memory:") as memory:
        yield memory


def test_a_clean_memory_has_no_findings(memory: Memory) -> None:
    memory.add(["I moved to Lisbon in May.", "The boat is called Kittiwake."], author="Ana")
    memory.sync()
    report = audit(memory)
    assert not report
    assert (report.events, report.records, report.counts, report.rates) == (2, {"passages": 2}, {}, {})


def test_a_secret_can_be_forgotten_by_what_the_report_says_and_is_not_in_it(memory: Memory) -> None:
    (told,) = memory.add("my password is hunter2").ids
    (hidden,) = memory.add("hello", metadata={"caption": "a note: wifi password: hunter22"}).ids
    memory.sync()
    report = audit(memory)
    assert report.counts == {"secret": 2}
    assert {one.events for one in report.of("secret")} == {(told,), (hidden,)}
    assert "hunter" not in json.dumps([asdict(one) for one in report.findings])
    memory.forget(ids=[id for one in report.of("secret") for id in one.events])
    assert not audit(memory)


def test_what_is_said_again_names_all_but_the_first(memory: Memory) -> None:
    ids = memory.add(["The boat is called Kittiwake, I think."] * 3, author="Ana").ids
    memory.add("the boat is called kittiwake I think", author="Ben")
    (echo,) = memory.add("The boat is called Kittiwake, I think!", role="assistant").ids
    memory.sync()
    (first, second) = sorted(audit(memory).of("duplicate"), key=lambda one: len(one.events))[::-1][:1] * 2
    assert first.events == (*ids[1:], echo)
    assert "3 more times" in second.detail


def test_the_same_words_in_two_namespaces_are_no_repetition(memory: Memory) -> None:
    for namespace in ("a", "b"):
        memory.add("The boat is called Kittiwake, I think.", namespace=namespace)
        memory.sync(namespace=namespace)
    assert not audit(memory)


def test_rows_that_their_sources_do_not_support_are_found(memory: Memory) -> None:
    with memkit.open(":memory:", components=[Inventing()]) as memory:
        (id,) = memory.add("I moved to Lisbon in May.", author="Ana").ids
        memory.sync()
        report = audit(memory)
    assert report.counts == {"ungrounded": 1, "misquoted": 1}
    assert "Doe" in report.of("ungrounded")[0].detail
    assert {one.events for one in report.findings} == {(id,)}
    assert {one.component for one in report.findings} == {"inventing"}


def test_rows_of_prompts_and_pasted_recalls_are_machinery() -> None:
    with memkit.open(":memory:", components=[Greedy()]) as memory:
        memory.add({"role": "system", "content": "You are a helpful assistant."})
        memory.add("[1] 2024-05-08, Ana: I moved to Lisbon.", role="assistant")
        memory.add("I moved to Lisbon.", author="Ana")
        memory.sync()
        report = audit(memory)
    assert (report.machinery, report.recalled) == (1, 1)
    assert report.counts == {"machinery": 4, "duplicate": 1}
    assert report.rates == {"machinery": 0.6667, "duplicate": 0.3333}


def test_what_was_not_finished_is_told(memory: Memory) -> None:
    memory.add(["one", "two"])
    report = audit(memory)
    assert [(one.kind, one.component, one.count) for one in report.findings] == [("pending", "passages", 2)]


def test_rows_without_a_vector_are_told(tmp_path: object) -> None:
    where = f"{tmp_path}/memory.db"
    with memkit.open(where, embedder=HashEmbedder()) as memory:
        memory.add("one")
        memory.sync()
    with memkit.open(where) as memory:
        memory.add("two")
        memory.sync()
    memkit.reembed(where, HashEmbedder(32))
    with memkit.open(where) as memory:
        memory.add("three")
        memory.sync()
        report = audit(memory)
    assert report.counts == {"without vector": 1, "old vectors": 1}


def test_a_current_fact_that_nobody_confirmed_is_stale() -> None:
    with memkit.open(":memory:", components=components_from("think_in_memory")) as memory:
        memory.add("I live in Lisbon.", author="Ana", at=DAY)
        memory.add("I live in Porto.", author="Ben", at=DAY)
        memory.add("I moved to Faro.", author="Ben", at=DAY + timedelta(days=80))
        memory.sync()
        found = [audit(memory, stale=days, clock=lambda: DAY + timedelta(days=90)) for days in (95, 85, 5)]
    assert [report.counts.get("stale", 0) for report in found] == [0, 1, 2]
    assert "2024-05-08" in found[1].of("stale")[0].detail


def test_a_namespace_is_looked_through_alone_and_with_those_below(memory: Memory) -> None:
    for namespace in ("acme", "acme/ana", "other"):
        memory.add("my password is hunter2", namespace=namespace)
        memory.sync(namespace=namespace)

    def places(report: object) -> list[object]:
        return [one.namespace for one in report.of("secret")]  # type: ignore[attr-defined]

    assert places(audit(memory)) == ["acme", "acme/ana", "other"]
    assert places(audit(memory, namespace="acme")) == ["acme"]
    assert places(audit(memory, namespace="acme", below=True)) == ["acme", "acme/ana"]
    assert places(audit(memory["acme"])) == ["acme"]
    assert audit(memory["acme"]).records == {"passages": 1}
    assert audit(memory).records == {"passages": 3}


def test_findings_come_the_gravest_first(memory: Memory) -> None:
    memory.add(["The boat is called Kittiwake, I think."] * 2)
    memory.add("my password is hunter2")
    found = [KINDS.index(one.kind) for one in audit(memory).findings]
    assert found == sorted(found)
    assert len(set(found)) == 3


def test_more_rows_than_a_page_are_all_seen(memory: Memory) -> None:
    memory.add([f"the number {number} was drawn in the lottery tonight" for number in range(1_200)])
    memory.sync()
    report = audit(memory)
    assert report.records == {Passages.name: 1_200}
    assert set(report.counts) <= {"near-duplicate"}


def test_an_audit_changes_nothing(memory: Memory) -> None:
    memory.add(["my password is hunter2", "[1] 2024-05-08, Ana: hi"])
    before = (memory.history(), list(memory.records()), memory.stats())
    audit(memory)
    assert (memory.history(), list(memory.records()), memory.stats()) == before


def test_a_number_of_days_is_checked(memory: Memory) -> None:
    with pytest.raises(ValueError, match="stale is 0"):
        audit(memory, stale=0)


def test_a_row_that_depends_on_an_event_without_showing_it_is_no_machinery() -> None:
    class Noting(Greedy):
        async def absorb(self, events: Sequence[Event], view: View, /) -> Draft:
            return Draft(
                tuple(
                    replace(Record.of(event, self.name, end=0), sources=(Source(event=event.id, start=0, end=0),))
                    for event in events
                )
            )

    with memkit.open(":memory:", components=[Noting()]) as memory:
        memory.add({"role": "system", "content": "You are a helpful assistant."})
        memory.sync()
        assert not audit(memory)
