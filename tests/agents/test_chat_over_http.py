"""A chat over a real HTTP server and OpenAI's own library: whatever the server does, nothing that was said is lost."""

import asyncio

import pytest

import memkit
from memkit import ModelError, ModelReplyError, UnreachableError
from memkit.agents import Answer, Chat
from memkit.messages import Reply, Request, ToolCall
from memkit.models.metered import Limits, Metered
from memkit.models.openai_chat import OpenAIChat
from memkit.testing.scripted import ScriptedModel
from memkit.testing.server import (
    ModelServer,
    altered,
    broken_off,
    cut_off,
    ended_early,
    failed_within,
    garbage,
    late,
    refused,
)
from memkit.testing.wire import Twist
from memkit.values import Json


def answer(request: Request) -> str | Reply:
    said = request.messages[-1]
    if said.content.startswith("Use your tools"):
        calls = (
            ToolCall(id="a", name="remember", arguments='{"text": "Herons fly by night."}'),
            ToolCall(id="b", name="fly", arguments="{"),
        )
        return Reply(text="Let me see.", calls=calls, finish="calls")
    if said.content == "Refuse.":
        return Reply(text="I will not.", finish="refusal")
    return "Es regnet, und zwar seit heute früh. 早上好。"


def wrongly_typed(body: Json) -> Json:
    return {**body, "choices": "none today"} if isinstance(body, dict) else body


def talk(*said: str, twists: tuple[Twist | None, ...] = (), timeout: float = 10.0) -> tuple[list[object], list[str]]:
    """What each turn came to, an answer or an error, with one attempt of each request; and the texts in the journal."""

    async def run() -> tuple[list[object], list[str]]:
        came: list[object] = []
        with ModelServer(model=ScriptedModel(answer)) as server:
            server.script(*twists)
            model = OpenAIChat("any", base_url=server.url, api_key="test-key")
            llm = Metered(model, limits=Limits(retries=0, timeout=timeout))
            async with await memkit.open_async(":memory:", llm=llm) as memory:
                chat = Chat(memory, session="s")
                for text in said:
                    try:
                        came.append(await chat.reply(text, author="Ana"))
                    except ModelError as e:
                        came.append(e)
                    if text == said[-1] and isinstance(came[-1], ModelError):
                        came.append(await Chat(memory, session="s").resume())
                return came, [event.text for event in await memory.history(kind="turn")]

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("twist", "kind"),
    [
        (broken_off(3), UnreachableError),
        (cut_off(200), UnreachableError),
        (ended_early(3), ModelReplyError),
        (failed_within(3), UnreachableError),
        (garbage(), ModelReplyError),
        (garbage("{broken", kind="application/json"), ModelReplyError),
        (altered(wrongly_typed), ModelReplyError),
        (refused(429), UnreachableError),
        (refused(500), UnreachableError),
        (refused(401), UnreachableError),
    ],
    ids=[
        "connection breaks",
        "cut in a line",
        "stops early",
        "error in the stream",
        "a page",
        "broken JSON",
        "wrong types",
        "429",
        "500",
        "401",
    ],
)
def test_whatever_the_server_does_the_turn_is_kept_and_answered_later(twist: Twist, kind: type[ModelError]) -> None:
    came, journal = talk("Guten Tag!", twists=(twist,))
    error, later = came
    assert type(error) is kind
    assert isinstance(later, Answer)
    assert journal == ["Guten Tag!", "Es regnet, und zwar seit heute früh. 早上好。"]


def test_a_time_out_is_an_error_and_no_reply() -> None:
    came, journal = talk("Guten Tag!", twists=(late(30),), timeout=0.3)
    assert isinstance(came[0], UnreachableError)
    assert journal == ["Guten Tag!", "Es regnet, und zwar seit heute früh. 早上好。"]


def test_tools_go_over_the_wire() -> None:
    came, journal = talk("Use your tools.")
    (reply,) = came
    assert isinstance(reply, Answer)
    assert [used.tool for used in reply.used] == ["remember", "fly"]
    assert reply.tokens is not None
    assert journal[-1].startswith("Let me see.\n\nEs regnet")


def test_a_server_without_tools_is_asked_without_them() -> None:
    came, journal = talk("Guten Tag!", "Und nun?", twists=(refused(400, "tools are not supported"),))
    assert all(isinstance(reply, Answer) for reply in came)
    assert len(journal) == 4


def test_a_refusal_is_a_reply() -> None:
    came, journal = talk("Refuse.")
    (reply,) = came
    assert isinstance(reply, Answer)
    assert (reply.text, reply.finish) == ("I will not.", "refusal")
    assert journal == ["Refuse.", "I will not."]
