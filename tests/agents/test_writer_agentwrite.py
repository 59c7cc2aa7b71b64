"""AgentWrite: a plan, then its parts, each with the text so far as far as it fits."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import memkit
from memkit import ModelReplyError, Passages, RecurrentGPT
from memkit.agents import AgentWrite, SimulatedHuman, Writer, write
from memkit.agents.writer.agentwrite import length_score, parse_outline
from memkit.context.tokens import estimate
from memkit.messages import Reply, Request
from memkit.testing.scripted import ScriptedModel
from tests.agents.novelist import between, novelist, opened

POINTS = ["lamps", "keepers", "ferries", "storms", "ruins", "birds", "lamps again"]


def essayist(request: Request) -> str:
    """Plans seven parts, and writes each about its point."""
    if request.schema_name == "outline":
        return json.dumps({"parts": [{"point": f"About {point}.", "words": 200} for point in POINTS]})
    number = int(request.messages[-1].content.rpartition("Now write part ")[2].partition(":")[0])
    return f"Part {number}. " + f"There is a lot to say of {POINTS[number - 1].split()[0]}. " * 20


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


@pytest.mark.parametrize(
    ("required", "produced", "score"),
    [
        (300, 300, 100),
        (300, 100, 0),
        (100, 400, 0),
        (200, 100, 50),
        (100, 200, 100 * 2 / 3),
        (100, 0, 0),
        (100, 1000, 0),
        (1000, 1, 0),
        (1, 1, 100),
    ],
    ids=str,
)
def test_the_length_score_is_the_published_one(required: int, produced: int, score: float) -> None:
    assert length_score(required, produced) == pytest.approx(score)


@pytest.mark.parametrize(("required", "produced"), [(0, 1), (-1, 1), (1, -1)], ids=str)
def test_lengths_that_cannot_be_are_refused(required: int, produced: int) -> None:
    with pytest.raises(ValueError, match="can be negative"):
        length_score(required, produced)


def test_each_part_sees_instruction_plan_and_all_of_the_text_so_far() -> None:
    async def main() -> None:
        model = ScriptedModel(essayist)
        async with await opened(":memory:", model, embeds=False) as memory:
            writer = Writer(memory, "guide", strategy=AgentWrite())
            await writer.begin("Write 1,400 words about lighthouses.")
            state = await write(writer)
            assert state.outline is not None
            plan = "\n".join(f"{n}. About {point}. (200 words)" for n, point in enumerate(POINTS, 1))
            assert state.outline.text == plan
            written: list[str] = []
            for n, request in enumerate(model.requests[1:], 1):
                assert between(request, "instruction") == ["Write 1,400 words about lighthouses."]
                assert between(request, "plan") == [plan]
                assert between(request, "text") == ["\n\n".join(written) or "(nothing yet)"]
                assert f"Now write part {n}: About {POINTS[n - 1]}." in request.messages[-1].content
                assert ("This is the last part" in request.messages[-1].content) == (n == len(POINTS))
                written.append(essayist(request).strip())
            assert await writer.export() == "\n\n".join(written) + "\n"
            assert len(model.requests) == 1 + len(POINTS)
            assert await write(writer) == await writer.state()
            with pytest.raises(ValueError, match="written to its end"):
                await writer.propose()

    run(main)


@pytest.mark.parametrize("component", [RecurrentGPT(), Passages()], ids=["recurrent_gpt", "passages"])
def test_when_the_text_is_longer_than_the_window_the_last_parts_and_those_that_matter_are_shown(
    component: Passages | RecurrentGPT,
) -> None:
    async def main() -> None:
        model = ScriptedModel(essayist)
        async with await memkit.open_async(":memory:", components=[component], llm=model) as memory:
            writer = Writer(memory, "guide", strategy=AgentWrite(window=500))
            await writer.begin("Write about lighthouses.")
            await write(writer)
            (shown,) = between(model.requests[-1], "text")
            parts = [event.text for event in await memory["guide"].history(kind="paragraph")]
            assert [part in shown for part in parts[:6]] == [True, False, False, False, False, True]
            assert shown.index(parts[0]) < shown.index("[Of the text so far, parts 2 to 5 cannot be shown here.]")
            assert all(estimate(text) < 600 for request in model.requests[1:] for text in between(request, "text"))
            kept = await memory["guide"].history(kind="paragraph")
            assert kept[-1].metadata["recalled"] == [kept[0].id]

    run(main)


def test_a_part_that_alone_is_longer_than_the_window_is_shown_from_behind() -> None:
    async def main() -> None:
        model = ScriptedModel(essayist)
        async with await opened(":memory:", model, embeds=False) as memory:
            writer = Writer(memory, "guide", strategy=AgentWrite(window=100))
            await writer.begin("Write about lighthouses.")
            await write(writer, 4)
            (shown,) = between(model.requests[-1], "text")
            assert "[The beginning is left out here.]" in shown
            assert shown.endswith("There is a lot to say of keepers.")
            assert estimate(shown) < 100

    run(main)


def test_plans_that_cannot_be_used_are_asked_for_a_bounded_number_of_times() -> None:
    part = {"point": "About lamps.", "words": 200}
    bad: list[object] = [
        {"parts": []},
        {"parts": [part] * 51},
        {"parts": [{"point": " ", "words": 200}]},
        {"parts": [{"point": "All of it.", "words": 5000}]},
        {"parts": [{"point": "All of it.", "words": 0}]},
        ["1. About lamps (200 words)"],
    ]

    async def main() -> None:
        for plan in bad:
            model = ScriptedModel(lambda _, plan=plan: json.dumps(plan))  # type: ignore[misc]  # mypy cannot infer it
            async with await opened(":memory:", model) as memory:
                writer = Writer(memory, "guide", strategy=AgentWrite())
                await writer.begin("Write about lighthouses.")
                with pytest.raises(ModelReplyError) as caught:
                    await writer.propose()
                assert caught.value.raw == json.dumps(plan)
                assert 1 < len(model.requests) <= 4
                assert (await writer.state()).outline is None

    run(main)


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (Reply(text="Half a part and", finish="length"), "cut off"),
        (Reply(text="I would rather not.", finish="refusal"), "refusal"),
        (Reply(text="  \n"), "empty"),
        (Reply(text="Lamps\0 were lit."), "cannot be stored"),
    ],
    ids=["cut off", "refused", "empty", "with a NUL"],
)
def test_a_part_that_is_not_whole_is_not_proposed(reply: Reply, trouble: str) -> None:
    async def main() -> None:
        model = ScriptedModel([essayist(Request(messages=(), schema_name="outline")), reply])
        async with await opened(":memory:", model) as memory:
            writer = Writer(memory, "guide", strategy=AgentWrite())
            await writer.begin("Write about lighthouses.")
            await write(writer, 1)
            with pytest.raises(ModelReplyError, match=trouble) as caught:
                await writer.propose()
            assert caught.value.raw == reply.text
            assert (await writer.state()).proposal is None

    run(main)


@pytest.mark.parametrize(
    "outline",
    [
        "1. Lamps",
        "2. Lamps (200 words)",
        "1. Lamps (0 words)",
        "1. Lamps (200 words)\n3. Birds (9 words)",
        "Lamps",
        "",
        "\n".join(f"{n}. Lamps (200 words)" for n in range(1, 52)),
    ],
    ids=["no length", "begins with 2", "no words", "a gap", "no number", "nothing", "51 lines"],
)
def test_an_outline_in_another_form_is_refused(outline: str) -> None:
    with pytest.raises(ValueError, match="outline"):
        parse_outline(outline)


def test_a_person_may_change_the_plan_on_the_way() -> None:
    async def main() -> None:
        model = ScriptedModel(essayist)
        async with await opened(":memory:", model) as memory:
            writer = Writer(memory, "guide", strategy=AgentWrite())
            await writer.begin("Write about lighthouses.")
            await write(writer, 3)
            with pytest.raises(ValueError, match="must look like '2"):
                await writer.edit("outline", "1. About lamps. (200 words)\nand so on")
            await writer.edit("outline", "1. About lamps. (200 words)\n2) Keepers (150 words)\n3. The end. (90 words)")
            assert (await write(writer)).step == 3
            assert "Now write part 3: The end." in model.requests[-1].messages[-1].content
            assert "about 90 words" in model.requests[-1].messages[-1].content

    run(main)


def test_a_rejected_part_is_written_again_with_the_reason_in_mind() -> None:
    async def main() -> None:
        model = ScriptedModel(essayist)
        async with await opened(":memory:", model) as memory:
            writer = Writer(memory, "guide", strategy=AgentWrite())
            await writer.begin("Write about lighthouses.")
            outline = await writer.propose()
            await writer.reject(outline, "more about birds")
            await writer.accept(await writer.propose())
            assert "- more about birds" in model.requests[1].messages[-1].content
            await writer.reject(await writer.propose(), "too dry")
            await writer.accept(await writer.propose())
            assert "- too dry" in model.requests[-1].messages[-1].content
            assert "- more about birds" not in model.requests[-1].messages[-1].content
            await writer.propose()
            assert "- too dry" not in model.requests[-1].messages[-1].content

    run(main)


def test_ways_of_writing_are_not_mixed() -> None:
    async def main() -> None:
        async with await opened(":memory:", ScriptedModel(novelist)) as memory:
            writer = Writer(memory, "guide", strategy=AgentWrite())
            await writer.begin("Write about lighthouses.")
            with pytest.raises(ValueError, match="begun with agentwrite"):
                await Writer(memory, "guide").propose()
            with pytest.raises(ValueError, match="no plan to choose"):
                await writer.propose(1)
            with pytest.raises(ValueError, match="one plan for all"):
                await write(writer, human=SimulatedHuman(writer.llm))
            with pytest.raises(ValueError, match="say how many steps"):
                await write(Writer(memory, "other"))
            outline = await writer.propose()
            with pytest.raises(ValueError, match="has no such part"):
                await writer.accept(outline, paragraph="x")
            with pytest.raises(ValueError, match="one plan is for all"):
                await writer.accept(outline, choose="x")
            with pytest.raises(ValueError, match="begun with agentwrite"):
                await Writer(memory, "guide").edit("premise", "Write about birds.")

    run(main)
