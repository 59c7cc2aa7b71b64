"""Multi-step recall: IRCoT, the expansion without a model, and what holds for every strategy."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import memkit
from memkit import AsyncMemory
from memkit.agents import Expansion, Findings, IRCoT, MultiHop, StateMachine
from memkit.agents.multihop.names import left_open, names_in, words
from memkit.messages import Options, Reply, Request
from memkit.testing.cassette import Cassette
from memkit.testing.scripted import Script, ScriptedModel
from tests.agents.hopping import LAST_HOP, QUESTION, WORLD, answers, path, remembering, states, titles


def think(script: Script, strategy: IRCoT | None = None, *, k: int = 3) -> tuple[Findings, ScriptedModel]:
    async def work(memory: AsyncMemory) -> Findings:
        return await MultiHop(memory, strategy=strategy or IRCoT()).recall(QUESTION, k=k)

    return remembering(work, script)


def expand(question: str = QUESTION, strategy: Expansion | None = None, *, k: int = 5) -> Findings:
    async def work(memory: AsyncMemory) -> Findings:
        return await MultiHop(memory, strategy=strategy or Expansion()).recall(question, k=k)

    return remembering(work)[0]


# IRCoT


def test_a_thought_is_recalled_with_until_one_says_the_answer() -> None:
    thoughts = ["The Aurora was built by Halden & Sons.", "So the answer is: Ida Halden."]
    findings, model = think(thoughts)
    assert path(findings) == states(["recall found", "think thought", "recall found", "think answered"])
    assert findings.trace[2].asked == thoughts[0]
    assert findings.ended == "done"
    assert (
        "<thoughts>\n    The Aurora was built by Halden & Sons.\n</thoughts>" in model.requests[1].messages[1].content
    )


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_without_an_answer_it_ends_after_so_many_steps(steps: int) -> None:
    findings, model = think(lambda request: "The shipyard is on Fehn.", IRCoT(steps=steps))
    assert findings.ended == "spent"
    assert len(model.requests) == steps


@pytest.mark.parametrize(
    "said",
    [
        "so the answer is Ida Halden",
        "SO THE ANSWER IS: Ida Halden.",
        "\n\nHalden & Sons is on Fehn.\nSo the answer is: Ida Halden.",
        "<think>\nWho could it be?\n</think>\nSo the answer is Ida Halden.",
    ],
    ids=["small", "capital", "a second line", "after thinking aloud"],
)
def test_an_answer_ends_it_however_it_is_written(said: str) -> None:
    findings, _ = think([said])
    assert findings.trace[-1].outcome == "answered"
    assert findings.trace[-1].said.casefold().startswith("so the answer is")


def test_thinking_aloud_about_the_answer_does_not_end_it() -> None:
    findings, _ = think(lambda _: "<think>so the answer is unclear</think>Halden & Sons is on Fehn.", IRCoT(steps=1))
    assert findings.trace[1].said == "Halden & Sons is on Fehn."
    assert findings.ended == "spent"


def test_a_passage_keeps_the_best_score_that_it_had() -> None:
    one, _ = think(["So the answer is unknown."])
    two, _ = think(["Orrin lies on the river Sel.", "So the answer is unknown."], k=5)
    first = {hit.text: hit.score for hit in one.recall}
    after = {hit.text: hit.score for hit in two.recall}
    assert all(after[text] >= score for text, score in first.items())
    assert after[WORLD["Orrin"]] == 1.0


def test_an_empty_thought_is_asked_for_once_more_and_then_it_ends() -> None:
    findings, _ = think(["  \n", "So the answer is Ida."])
    assert path(findings)[1:] == states(["think malformed", "think answered"])
    findings, model = think([" ", Reply(text="No.", finish="refusal")])
    assert path(findings)[1:] == states(["think malformed", "think gave up"])
    assert findings.ended == "gave up"
    assert model.left == 0


def test_with_nothing_found_no_model_is_asked() -> None:
    async def work(memory: AsyncMemory) -> Findings:
        return await MultiHop(memory, strategy=IRCoT()).ask(QUESTION)

    findings, model = remembering(work, [], world={})
    assert (findings.ended, len(findings.recall), model.requests) == ("nothing", 0, [])


def test_its_thoughts_are_shown_to_who_writes_the_answer() -> None:
    async def work(memory: AsyncMemory) -> Findings:
        return await MultiHop(memory, strategy=IRCoT()).ask(QUESTION)

    findings, model = remembering(work, ["So the answer is Ida Halden.", answers("Ida Halden [2].", 2)])
    assert "So the answer is Ida Halden." in model.requests[1].messages[1].content
    assert findings.answer == "Ida Halden [1]."


# without a model


def test_names_of_the_passages_lead_to_what_the_question_does_not_name() -> None:
    assert WORLD["Orrin"] not in [hit.text for hit in expand("Where was the founder of Halden & Sons born?").recall[:2]]
    question = "On which river lies the town where Ida Halden was born?"
    single = expand(question, Expansion(hops=0), k=2)
    assert expand(question, k=2).recall[1].text == WORLD["Orrin"]
    assert single.trace[0].state == "recall"
    assert len(single.trace) == 1


def test_the_rest_of_the_question_goes_on_with_each_name() -> None:
    asked = [step.asked for step in expand().trace]
    assert asked[0] == QUESTION
    assert "Halden & Sons Who founded shipyard that" in asked
    assert not any(query.startswith("Aurora") for query in asked)


def test_the_same_memory_gives_the_same_hits_and_trace() -> None:
    def shape(findings: Findings) -> list[tuple[str, float]]:
        return [(hit.text, hit.score) for hit in findings.recall]

    one, two = expand(), expand()
    assert shape(one) == shape(two)
    assert [(step.asked, len(step.shown)) for step in one.trace] == [
        (step.asked, len(step.shown)) for step in two.trace
    ]


@pytest.mark.parametrize(("hops", "starts", "names"), [(0, 3, 5), (1, 1, 1), (1, 2, 3), (2, 2, 2), (5, 3, 5)])
def test_it_recalls_no_more_often_than_its_limits_say(hops: int, starts: int, names: int) -> None:
    findings = expand(strategy=Expansion(hops=hops, starts=starts, names=names))
    assert len(findings.trace) <= 1 + hops * starts * names
    assert len({step.asked for step in findings.trace}) == len(findings.trace)


def test_passages_without_names_are_what_they_are() -> None:
    async def work(memory: AsyncMemory) -> Findings:
        await memory.add(["der kuchen ist fertig", "北京是中國的首都"])
        return await MultiHop(memory).recall("kuchen 北京")

    findings, _ = remembering(work, world={})
    assert len(findings.recall) == 2
    assert len(findings.trace) == 1


# every strategy


def every(k: int = 3, **options: int) -> Sequence[Findings]:
    async def work(memory: AsyncMemory) -> list[Findings]:
        strategies = (Expansion(hops=2), IRCoT(), StateMachine())
        return [await MultiHop(memory, strategy=one).recall(QUESTION, k=k) for one in strategies]

    script = ["The Aurora was built by Halden & Sons.", "So the answer is Ida Halden.", *LAST_HOP]
    return remembering(work, script)[0]


@pytest.mark.parametrize("k", [1, 2, 3, 20])
def test_hits_are_unique_ordered_and_no_more_than_asked_for(k: int) -> None:
    for findings in every(k):
        places = [(hit.sources, hit.text) for hit in findings.recall]
        assert len(places) == len(set(places))
        assert 0 < len(places) <= k
        scores = [hit.score for hit in findings.recall]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        assert findings.recall.cue.text == QUESTION
        assert findings.recall.cue.k == k


def test_findings_are_shown_like_any_recall() -> None:
    for findings in every():
        assert "The Aurora was built by Halden & Sons" in findings.recall.context(400).text
        assert "step" in findings.recall.explain()
        assert findings.explain().startswith("1. recall: Who founded")


def test_a_passage_that_two_components_hold_is_one_hit() -> None:
    class Copy(memkit.Passages):
        name = "copy"

    async def run() -> Findings:
        async with await memkit.open_async(":memory:", components=[memkit.Passages(), Copy()]) as memory:
            await memory.add("The Aurora was built by Halden & Sons.")
            return await MultiHop(memory).recall(QUESTION)

    assert len(asyncio.run(run()).recall) == 1


def test_filters_hold_in_every_step() -> None:
    async def work(memory: AsyncMemory) -> list[Findings]:
        await memory.add("A secret person founded the shipyard that built the Aurora.", session="private")
        found = MultiHop(memory)
        return [await found.recall(QUESTION, session="private"), await found.recall(QUESTION, kind="document", k=20)]

    private, documents = remembering(work)[0]
    assert {hit.session for hit in private.recall} == {"private"}
    assert {hit.session for hit in documents.recall} == {None}


def test_it_leaves_nothing_in_the_memory() -> None:
    async def work(memory: AsyncMemory) -> tuple[int, int, list[str]]:
        before = len(await memory.history())
        await MultiHop(memory).ask(QUESTION)
        usage = (await memory.stats()).usage
        return before, len(await memory.history()), [row.stage for row in usage if row.component == "agent"]

    (before, after, stages), _ = remembering(work, [*LAST_HOP, answers("Ida.", 1)])
    assert before == after
    assert sorted(stages) == ["answer", "check", "decide", "decompose", "summarise"]


def test_the_same_cassette_gives_the_same_trace(tmp_path: Path) -> None:
    tape = tmp_path / "hops.jsonl"

    def run(cassette: Cassette, model: ScriptedModel | None) -> list[tuple[str, str, str]]:
        async def asked() -> Findings:
            async with await memkit.open_async(":memory:", llm=cassette.chat(model)) as memory:
                for title, text in WORLD.items():
                    await memory.add(memkit.Document(text=text, title=title), at="2026-01-02")
                return await MultiHop(memory).ask(QUESTION)

        findings = asyncio.run(asked())
        return [(step.state, step.said, step.outcome) for step in findings.trace]

    script = [*LAST_HOP, answers("Ida Halden [1].", 1)]
    with Cassette(tape, mode="record") as cassette:
        recorded = run(cassette, ScriptedModel(script))
    for _ in range(2):
        with Cassette(tape) as cassette:
            assert run(cassette, None) == recorded


def test_the_budget_of_passages_holds_for_every_request() -> None:
    async def work(memory: AsyncMemory) -> Findings:
        limited = MultiHop(memory, strategy=IRCoT(steps=1), tokens=30, options=Options(temperature=0.0))
        return await limited.ask(QUESTION)

    findings, model = remembering(work, ["The shipyard.", answers("Ida [1].", 1)])
    assert [request.messages[1].content.count("\n[") for request in model.requests] == [1, 1]
    assert {request.options.temperature for request in model.requests} == {0.0}
    assert len(findings.trace[-1].shown) == 1


def test_what_it_cannot_work_with_is_refused_at_the_door() -> None:
    async def work(memory: AsyncMemory) -> None:
        for strategy in (IRCoT(), StateMachine()):
            with pytest.raises(ValueError, match="needs a model"):
                MultiHop(memory, strategy=strategy)
        with pytest.raises(ValueError, match="needs a model"):
            await MultiHop(memory).ask(QUESTION)
        with pytest.raises(ValueError, match="tokens"):
            MultiHop(memory, tokens=0)
        searching = MultiHop(memory)
        for empty in ("", "  \n"):
            with pytest.raises(ValueError, match="empty"):
                await searching.recall(empty)
        with pytest.raises(ValueError, match="k is 0"):
            await searching.recall(QUESTION, k=0)
        with pytest.raises(TypeError, match="unknown filter"):
            await searching.recall(QUESTION, colour="red")  # type: ignore[call-arg]
        with pytest.raises(ValueError, match="no component"):
            await searching.recall(QUESTION, component="other")
        assert searching.last is None

    remembering(work)
    with (
        memkit.open(":memory:") as memory,
        pytest.raises(TypeError, match="AsyncMemory"),
    ):
        MultiHop(memory)  # type: ignore[arg-type]


def test_a_model_takes_the_controller_and_none_the_expansion() -> None:
    async def work(memory: AsyncMemory) -> tuple[object, object]:
        return MultiHop(memory).strategy, (await MultiHop(memory, strategy=Expansion()).ask(QUESTION)).answer

    assert remembering(work, [answers("Ida.", 1)])[0] == (StateMachine(), "Ida.")


def test_questions_at_the_same_time_do_not_mix() -> None:
    def reply(request: Request) -> str:
        return "So the answer is " + (
            "bread." if "bread" in request.messages[1].content.split("<question>")[1] else "x."
        )

    async def work(memory: AsyncMemory) -> list[Findings]:
        searching = MultiHop(memory, strategy=IRCoT())
        return [*await asyncio.gather(searching.recall("What needs bread?"), searching.recall(QUESTION))]

    (bread, ship), _ = remembering(work, reply)
    assert (bread.trace[-1].said, ship.trace[-1].said) == ("So the answer is bread.", "So the answer is x.")
    assert titles(bread)[0] == "Bread"
    assert "Bread" not in titles(ship)


# names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("She met Ludwig van Beethoven in Bonn.", ["Ludwig van Beethoven", "Bonn"]),
        ("It was built by Halden & Sons, and J. R. R. Tolkien saw it.", ["Halden & Sons", "J. R. R. Tolkien"]),
        ("The Ministry of the Interior is in the city.", ["Ministry of the Interior"]),
        ("Walking is good. He likes Walking.", ["Walking"]),
        ("Walking is good.", []),
        ("Die Stadt heißt Łódź, die andere Élancourt-sur-Mer.", ["Stadt", "Łódź", "Élancourt-sur-Mer"]),
        ("Это река Волга, она течёт в Каспийское море.", ["Волга", "Каспийское"]),
        ("北京是中國的首都", []),
        ("", []),
    ],
)
def test_names_are_found_by_their_capitals(text: str, names: list[str]) -> None:
    assert names_in(text) == names


@given(st.text())
def test_names_are_parts_of_the_text_and_each_is_there_once(text: str) -> None:
    names = names_in(text)
    assert all(name in text for name in names)
    assert len(names) == len(set(names))


@given(st.text(), st.text())
def test_what_is_left_open_is_of_the_question_and_not_in_the_text(question: str, text: str) -> None:
    left = left_open(question, text)
    assert words(left) <= words(question)
    assert all(not words(word) <= words(text) for word in left.split())
