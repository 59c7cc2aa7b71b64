"""Forget and merge: within one bucket, by a chat model, and never on its word alone."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import memkit
from memkit import Memory, ThinkInMemory
from memkit.components.think_in_memory.lsh import Hash
from memkit.components.think_in_memory.reading import lines
from memkit.components.think_in_memory.replies import FORGET, MERGE
from memkit.components.think_in_memory.tidying import Schedule
from memkit.messages import Request
from memkit.models.metered import Limits, Metered
from memkit.testing.embedders import HashEmbedder
from memkit.testing.scripted import ScriptedModel
from memkit.values import Record, Where

NAME = "think_in_memory"
Answer = Callable[[list[str]], object]


def drawn(text: str) -> list[dict[str, object]]:
    """One thought for "I VERB TAIL"."""
    match = re.fullmatch(r"I (live in|like|play) (.+)", text)
    if match is None:
        return []
    one = {"head": "I", "relation": match[1], "tail": match[2], "quote": text, "turn": 1, "ends": False}
    return [{**one, "single": match[1] == "live in", "sentence": f"I {match[1]} {match[2]}."}]


def nothing(shown: list[str]) -> dict[str, object]:
    return {"lines": [], "groups": []}


class Tidier:
    """A model that draws thoughts, and answers what to forget and what to merge as it is told to."""

    def __init__(self, *, forget: Answer = nothing, merge: Answer = nothing) -> None:
        self.forget, self.merge = forget, merge
        self.shown: list[tuple[str, list[str]]] = []
        self.model = ScriptedModel(self.answer)

    def answer(self, request: Request) -> str:
        text = request.messages[1].content
        if "<turn" in text:
            (said,) = re.findall(r"<turn [^>]*>(.*?)</turn>", text)
            return json.dumps({"thoughts": drawn(said)})
        listed = [line.partition(". ")[2] for line in text.splitlines()]
        stage = "merge" if listed[0].startswith("(") else "forget"
        self.shown.append((stage, listed))
        told = (self.merge if stage == "merge" else self.forget)(listed)
        if not isinstance(told, dict):
            return str(told)
        return json.dumps(
            {key: value for key, value in told.items() if key == {"merge": "groups", "forget": "lines"}[stage]}
        )


def opened(tidier: Tidier, where: str | Path = ":memory:", **options: object) -> Memory:
    """Few buckets: they fill up soon."""
    every = {"forget_every": 2, "merge_every": 2, "buckets": 2, "search": "flat", **options}
    component = ThinkInMemory(**every)  # type: ignore[arg-type]  # mypy cannot see into **options
    metered = Metered(tidier.model, limits=Limits(repairs=1, retries=0))
    return memkit.open(where, components=[component], llm=metered, embedder=HashEmbedder(64))


def say(memory: Memory, *texts: str) -> None:
    """Documents: each is drawn at once."""
    memory.add(texts, kind="document", author="Ana", session="s")


def shelved(memory: Memory) -> Mapping[str, list[str]]:
    """The texts of all rows in each bucket."""
    engine = memory._engine
    shelf = engine.store.derived.shelf(NAME, Where(namespace="default"), engine.space)
    texts = [row.text for row in engine.store.derived.records(NAME, Where(namespace="default"), shelf.id.tolist())]
    f = Hash(space=HashEmbedder(64).space, buckets=2, seed=0)
    return {str(n): sorted(texts[row] for row in shelf.marked(f.mark(n)).tolist()) for n in range(2)}


def shown_now(memory: Memory) -> list[str]:
    return sorted(hit.text for hit in memory.recall("Ana likes plays lives", k=50, floor=0))


def of_kind(memory: Memory, kind: str) -> list[Record]:
    return [row for row in memory.records(component=NAME) if row.kind == kind]


GAMES = ("I play chess", "I play go", "I play cards", "I play golf", "I like tea", "I like cake")


def both_first(listed: list[str]) -> object:
    """Merges the first two lines of one bucket."""
    texts = [re.sub(r"^\(.*?\) ", "", line) for line in listed]
    one, other = texts[0].rstrip("."), texts[1].partition(" ")[2]
    return {"groups": [{"lines": [1, 2], "line": f"{one} and {other}"}]}


class TestMerge:
    @pytest.mark.parametrize("number", [0, 1])
    def test_a_merged_line_takes_the_place_of_its_lines_in_their_bucket_and_no_other(self, number: int) -> None:
        tidier = Tidier()
        with opened(tidier, forget_every=None) as memory:
            say(memory, *GAMES)
            memory.sync()
            before = shelved(memory)
            chosen: list[list[str]] = []

            def one_bucket(listed: list[str]) -> object:
                mine = re.sub(r"^\(.*?\) ", "", listed[0]) in before[str(number)]
                if not mine:
                    return nothing(listed)
                chosen.append(listed)
                return both_first(listed)

            tidier.merge = one_bucket
            more = [
                f"I {verb} {tail}"
                for tail in ("jam", "tag", "figs", "oboe", "rice", "darts")
                for verb in ("like", "play")
            ]
            say(memory, *more)
            memory.sync()
            after = shelved(memory)
            (row,) = of_kind(memory, "merged")
            (bucket,) = [n for n, texts in after.items() if row.text in texts]
            assert bucket == str(number)
            gone = {re.sub(r"^\(.*?\) ", "", line) for line in chosen[0][:2]}
            assert gone <= set(after[bucket])
            other = {"0": "1", "1": "0"}[bucket]
            assert set(before[other]) <= set(after[other])
            shown = shown_now(memory)
            assert set(after[other]) <= set(shown)
            assert row.text in shown
            assert not gone & set(shown)
            assert len(shown) == len(GAMES) + len(more) - 2 + 1

    def test_it_names_all_events_of_its_lines(self) -> None:
        with opened(Tidier(merge=both_first), forget_every=None) as memory:
            say(memory, *GAMES)
            memory.sync()
            by_text = {row.text: row.sources[0].event for row in of_kind(memory, "thought")}
            for row in of_kind(memory, "merged"):
                assert len(row.sources) == 2
                assert {source.event for source in row.sources} <= set(by_text.values())

    def test_forgetting_one_of_its_events_brings_the_other_lines_back(self) -> None:
        with opened(Tidier(merge=both_first), forget_every=None) as memory:
            say(memory, *GAMES)
            memory.sync()
            row = of_kind(memory, "merged")[0]
            (gone,) = [one for one in of_kind(memory, "thought") if one.sources[0].event == row.sources[0].event]
            memory.forget(ids=[row.sources[0].event])
            assert row.text not in shown_now(memory)
            memory.sync()
            left = {text for text in shown_now(memory) if gone.metadata["tail"] in text}
            assert left == set()
            assert all(
                any(tail in text for text in shown_now(memory)) for tail in tails_but(str(gone.metadata["tail"]))
            )

    def test_a_merged_line_holds_as_long_as_every_fact_in_it(self) -> None:
        tidier = Tidier(merge=home_and_tea)
        with opened(tidier, forget_every=None, max_bucket=2) as memory:
            say(memory, "I live in Lisbon", "I like tea", "I like Lisbon tea", "I live in Lisbon tea")
            memory.sync()
            merged = [row.text for row in of_kind(memory, "merged")]
            held = shown_now(memory)
            assert merged
            tidier.merge = nothing
            say(memory, "I live in Porto")
            memory.sync()
            assert "Ana lives in Porto." in shown_now(memory)
            for text in merged:
                assert text in held
                assert text not in shown_now(memory)

    @pytest.mark.parametrize(
        "reply",
        [
            {"groups": [{"lines": [1, 2], "line": "Ana plays chess and invents rockets."}]},
            {"groups": [{"lines": [1, 2], "line": "Ana plays."}]},
            {"groups": [{"lines": [1, 99], "line": "Ana plays chess."}]},
            {"groups": [{"lines": [1, 1], "line": "Ana plays chess."}]},
            {"groups": [{"lines": [1], "line": "Ana plays chess."}]},
            {"groups": [{"lines": [0, 1], "line": "Ana plays chess."}]},
            {"groups": [{"lines": [], "line": "Ana plays chess."}]},
            {"groups": "all"},
            {"groups": [{"lines": "all", "line": "x"}]},
            {"groups": [{"lines": [1, 2], "line": "  "}]},
            "I would rather not.",
            "",
        ],
        ids=range(12),
    )
    def test_a_merge_that_must_not_be_leaves_everything_as_it_was(self, reply: object) -> None:
        tidier = Tidier(merge=lambda listed: reply)
        with opened(tidier, forget_every=None) as memory:
            say(memory, *GAMES)
            memory.sync()
            assert of_kind(memory, "merged") == []
            assert len(shown_now(memory)) == len(GAMES)
            assert memory.stats().deferred == ()
            assert len(tidier.shown) <= 2 * 2  # two buckets, each asked once more when the reply was no reply

    def test_lines_of_different_heads_are_not_merged(self) -> None:
        with opened(Tidier(merge=both_first), forget_every=None, max_bucket=2) as memory:
            memory.add("I play chess", kind="document", author="Ana")
            memory.add("I play chess", kind="document", author="Ben")
            memory.add("I play go", kind="document", author="Cem")
            memory.add("I play go", kind="document", author="Dan")
            memory.sync()
            assert of_kind(memory, "merged") == []

    def test_of_two_processes_that_merge_the_same_lines_one_counts(self, tmp_path: Path) -> None:
        """Both had asked before either had stored its row: the row that was stored first is the one that holds."""
        path = tmp_path / "m.db"
        with opened(Tidier(merge=both_first), path, forget_every=None) as memory:
            say(memory, *GAMES)
            memory.sync()
            rows = of_kind(memory, "merged")
            engine, before = memory._engine, shown_now(memory)
            at = engine.store.derived.progress(Where(namespace="default"), (NAME,))["default"].cursors[NAME]
            for row in rows:
                late = replace(row, id=0, text=f"{row.text} late", marks=marks_of(row, memory))
                draft = memkit.values.Draft((late,))
                assert engine.store.derived.commit("default", NAME, draft, None, since=at, upto=at)
            assert len(of_kind(memory, "merged")) == 2 * len(rows) > 0
            assert shown_now(memory) == before


class TestForget:
    def test_lines_that_the_model_names_are_set_aside(self) -> None:
        with opened(Tidier(forget=lambda listed: {"lines": [1]}), merge_every=None) as memory:
            say(memory, *GAMES)
            memory.sync()
            rows = of_kind(memory, "forgotten")
            assert len(rows) == 2  # one of each bucket
            gone = {row.text for row in rows}
            assert set(shown_now(memory)) == {row.text for row in of_kind(memory, "thought")} - gone

    def test_what_is_said_anew_comes_back(self) -> None:
        with opened(Tidier(forget=lambda listed: {"lines": [1]}), merge_every=None) as memory:
            say(memory, *GAMES)
            memory.sync()
            gone = of_kind(memory, "forgotten")[0]
            first = next(row for row in of_kind(memory, "thought") if row.text == gone.text)
            assert gone.text not in shown_now(memory)
            say(memory, next(text for text in GAMES if str(first.metadata["tail"]) in text))
            memory.sync()
            assert gone.text in shown_now(memory)

    def test_it_depends_on_every_line_that_was_shown(self) -> None:
        """One of those that stay is the reason: when that is forgotten, the others are looked at anew."""
        with opened(Tidier(forget=lambda listed: {"lines": [1]}), merge_every=None) as memory:
            say(memory, *GAMES)
            memory.sync()
            for row in of_kind(memory, "forgotten"):
                (bucket,) = [texts for texts in shelved(memory).values() if row.text in texts]
                assert len({source.event for source in row.sources}) == len(bucket)
                assert len(lines(row)) == len(row.sources)

    @pytest.mark.parametrize(
        "reply",
        [
            {"lines": [99]},
            {"lines": [0]},
            {"lines": [1, -1]},
            {"lines": list(range(1, 7))},
            {"lines": "1"},
            {"lines": [True]},
            "none",
        ],
        ids=range(7),
    )
    def test_a_reply_that_names_what_is_not_there_leaves_everything_as_it_was(self, reply: object) -> None:
        tidier = Tidier(forget=lambda listed: {"lines": reply["lines"][: len(listed)]} if every(reply) else reply)  # type: ignore[index]
        with opened(tidier, merge_every=None) as memory:
            say(memory, *GAMES)
            memory.sync()
            assert of_kind(memory, "forgotten") == []
            assert len(shown_now(memory)) == len(GAMES)

    def test_it_is_shown_one_buckets_lines_and_no_others(self) -> None:
        tidier = Tidier()
        with opened(tidier, merge_every=None) as memory:
            say(memory, *GAMES)
            memory.sync()
            assert sorted(sorted(listed) for _, listed in tidier.shown) == sorted(shelved(memory).values())


class TestSchedule:
    def test_the_same_lines_are_not_asked_about_twice(self) -> None:
        tidier = Tidier()
        with opened(tidier) as memory:
            say(memory, *GAMES)
            memory.sync()
            asked = len(tidier.shown)
            memory.sync()
            memory.sync()
            assert len(tidier.shown) == asked > 0

    def test_a_bucket_is_looked_at_when_it_has_got_enough_more(self) -> None:
        tidier = Tidier()
        with opened(tidier, forget_every=100, merge_every=100) as memory:
            say(memory, *GAMES)
            memory.sync()
            assert tidier.shown == []

    def test_a_bucket_that_is_too_full_is_looked_at_all_the_same(self) -> None:
        tidier = Tidier()
        with opened(tidier, forget_every=100, merge_every=None, max_bucket=2) as memory:
            say(memory, *GAMES)
            memory.sync()
            assert len(tidier.shown) > 0

    def test_the_window_grows_in_steps(self) -> None:
        schedule = Schedule(forget_every=4, merge_every=None, max_bucket=10)
        assert [schedule.window(n, 4, n) for n in (0, 3, 4, 7, 8, 11)] == [0, 0, 4, 4, 8, 11]
        assert schedule.window(9, None, 99) == 0

    def test_rules_alone_tidy_nothing(self) -> None:
        tidier = Tidier(forget=lambda listed: {"lines": [1]})
        with opened(tidier, draw="rules") as memory:
            memory.add([f"{text}." for text in GAMES], author="Ana")
            memory.sync()
        assert tidier.shown == []

    def test_without_an_embedder_there_are_no_buckets_to_tidy(self) -> None:
        tidier = Tidier(forget=lambda listed: {"lines": [1]})
        component = ThinkInMemory(forget_every=2)
        with memkit.open(":memory:", components=[component], llm=tidier.model) as memory:
            say(memory, *GAMES)
            memory.sync()
        assert tidier.shown == []


@pytest.mark.parametrize("shape", [FORGET, MERGE], ids=lambda shape: shape.name)
@pytest.mark.parametrize(
    "reply", [None, [], {}, "x", {"lines": None}, {"groups": [None]}, {"groups": [{}]}], ids=range(7)
)
def test_a_reply_of_another_form_is_refused_with_what_is_wrong(shape: object, reply: object) -> None:
    with pytest.raises(ValueError, match=r"lines|groups|group"):
        shape.read(reply)  # type: ignore[attr-defined]  # any JSON


def every(reply: object) -> bool:
    """Whether the reply names all lines there may be."""
    return isinstance(reply, dict) and isinstance(reply["lines"], list) and len(reply["lines"]) == len(GAMES)


def home_and_tea(listed: list[str]) -> object:
    """Merges a home with whatever stands beside it."""
    texts = [re.sub(r"^\(.*?\) ", "", line) for line in listed]
    homes = [n for n, text in enumerate(texts, start=1) if "lives in" in text]
    others = [n for n in range(1, len(texts) + 1) if n not in homes]
    if not homes or not others:
        return nothing(listed)
    home, other = texts[homes[0] - 1].rstrip("."), texts[others[0] - 1].partition(" ")[2]
    return {"groups": [{"lines": [homes[0], others[0]], "line": f"{home} and {other}"}]}


def tails_but(gone: str) -> list[str]:
    return [text.split()[-1] for text in GAMES if text.split()[-1] != gone]


def marks_of(row: Record, memory: Memory) -> tuple[str, ...]:
    """The marks of a merged row: they are not read back."""
    f = Hash(space=HashEmbedder(64).space, buckets=2, seed=0)
    (bucket,) = [int(n) for n, texts in shelved(memory).items() if row.text in texts]
    return ("stated", f.hashed, f.mark(bucket), "tidied", f"tidied:{f.mark(bucket)}")
