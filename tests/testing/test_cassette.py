"""Recording what models answer, and replaying it without them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.errors import (
    BudgetError,
    ClosedError,
    ModelError,
    ModelReplyError,
    NoSchemaError,
    UnreachableError,
)
from memkit.messages import Message, Options, Piece, Reply, Request, Tokens, Tool, ToolCall
from memkit.models.openai import OpenAIEmbedder
from memkit.models.openai_chat import OpenAIChat
from memkit.ports import ChatModel, Embedder
from memkit.testing.cassette import Cassette, CassetteError, Mode, NotRecordedError, without_dates
from memkit.testing.embedders import FaultyEmbedder, HashEmbedder, not_a_number, one_too_few
from memkit.testing.scripted import ScriptedModel
from memkit.testing.server import ModelServer
from memkit.testing.tape import Call, Tape
from memkit.testing.threads import at_once
from memkit.values import Space


def asked(*texts: str, **parts: Any) -> Request:
    return Request(messages=tuple(Message(role="user", content=text) for text in texts), **parts)


def ask(model: ChatModel, *requests: Request) -> list[Reply]:
    async def all_of_them() -> list[Reply]:
        return [await model.complete(request) for request in requests]

    return asyncio.run(all_of_them())


def stream(model: ChatModel, request: Request) -> list[Piece]:
    async def collect() -> list[Piece]:
        return [piece async for piece in model.stream(request)]

    return asyncio.run(collect())


def embed(embedder: Embedder, texts: Sequence[str], *, query: bool = False) -> Any:
    return asyncio.run(embedder.embed(texts, query=query))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "ana.jsonl"


def record(path: Path, *requests: Request, model: ChatModel) -> list[Reply]:
    with Cassette(path, mode="record") as cassette:
        return ask(cassette.chat(model), *requests)


CALL = ToolCall(id="1", name="recall", arguments='{"query": "Lisbon"}')
RICH = Request(
    messages=(
        Message(role="system", content="Be brief.\nBe kind."),
        Message(role="user", content="Wo? 北京 \u2028\x85\r\n \ud800", name="ana"),
        Message(role="assistant", content="", calls=(CALL,)),
        Message(role="tool", content="", call="1"),
    ),
    options=Options(
        temperature=0.0,
        most=20,
        seed=0,
        stop=("\n",),
        tools=(Tool(name="recall", description="", parameters={"type": "object", "properties": {}}),),
    ),
    schema={"type": "object", "properties": {"a": {"type": "null"}}},
    schema_name="place",
)
REPLY = Reply(text="Ünd\ud800\u2028", calls=(CALL,), finish="calls", tokens=Tokens(prompt=9, reply=2, cached=1))


def test_what_a_real_client_heard_is_replayed_without_a_server(path: Path) -> None:
    """Recorded through OpenAI's library from a server; then the server is gone, and so is the model."""
    key = "sk-very-secret-key"

    async def say(cassette: Cassette, model: OpenAIChat | None, embedder: OpenAIEmbedder | None) -> Any:
        chat, vectors = cassette.chat(model), cassette.embedder(embedder)
        try:
            return (
                await asyncio.gather(*(chat.complete(asked(f"question {number}")) for number in range(3))),
                [piece async for piece in chat.stream(asked("and as a stream?"))],
                (await vectors.embed(["Ana moved to Lisbon.", "北京"], query=False)).tobytes(),
                (await vectors.embed(["北京"], query=True)).tobytes(),
            )
        finally:
            for client in (model, embedder):
                if client is not None:
                    await client.aclose()

    script = ScriptedModel(lambda request: f"reply to {request.messages[0].content}")
    with ModelServer(model=script, key=key) as server, Cassette(path, mode="record") as cassette:
        chat = OpenAIChat("gpt-test", base_url=server.url, api_key=key)
        embedder = OpenAIEmbedder("small", base_url=server.url, api_key=key, dimensions=64)
        live = asyncio.run(say(cassette, chat, embedder))
    with Cassette(path) as cassette:
        assert asyncio.run(say(cassette, None, None)) == live
    assert live[0][1].text == "reply to question 1"
    assert len(server.requests) == 6
    held = path.read_text()
    assert key not in held
    assert server.url not in held


def test_every_part_of_a_call_comes_back(path: Path) -> None:
    assert record(path, RICH, model=ScriptedModel([REPLY])) == [REPLY]
    with Cassette(path) as cassette:
        assert ask(cassette.chat(), RICH) == [REPLY]
        assert cassette.chat().model == "scripted"


texts = st.text(st.characters(), max_size=8)  # with surrogates
requests = st.builds(
    asked,
    texts,
    options=st.builds(
        Options, temperature=st.none() | st.floats(0, 2), most=st.none() | st.integers(1, 9), stop=st.tuples(texts)
    ),
    schema=st.none()
    | st.dictionaries(texts, st.none() | st.booleans() | texts | st.lists(texts, max_size=2), max_size=3),
)
replies = st.builds(
    Reply, text=texts, finish=st.sampled_from(["stop", "length", "refusal"]), tokens=st.none() | st.builds(Tokens)
)


@given(st.lists(st.tuples(requests, replies), max_size=4))
def test_a_file_holds_what_was_put_into_it(calls: list[tuple[Request, Reply]]) -> None:
    tape, read = Tape(), Tape()
    for request, reply in calls:
        call = Call(model="any", request=request, outcome=reply)
        tape.calls[call.key] = call
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tape")
        file.write_bytes(b"".join(line.encode() + b"\n" for line in tape.lines()))
        read.read(file)
    assert read.calls == tape.calls
    assert list(read.lines()) == list(tape.lines())


def test_vectors_come_back_bit_by_bit(path: Path) -> None:
    rows = np.array([[1 / 3, -0.0], [1e-45, 3.4e38]], np.float32)

    class Two:
        space = Space(model="two", dimension=2, query_prefix="q: ")

        async def embed(self, texts: Sequence[str], /, *, query: bool) -> Any:
            return rows[: len(texts)]

    with Cassette(path, mode="record") as cassette:
        live = embed(cassette.embedder(Two()), ["a", "b"])
    with Cassette(path) as cassette:
        again = cassette.embedder()
        assert again.space == Two.space
        assert embed(again, ["b", "a", "b"]).tobytes() == live[[1, 0, 1]].tobytes()
        assert embed(again, []).shape == (0, 2)


def test_questions_and_documents_are_different_calls(path: Path) -> None:
    with Cassette(path, mode="record") as cassette:
        embed(cassette.embedder(HashEmbedder()), ["a"])
    with (
        Cassette(path) as cassette,
        pytest.raises(NotRecordedError, match=r"-embedded as a document:\n\+embedded as a ques"),
    ):
        embed(cassette.embedder(), ["a"], query=True)


def test_a_request_that_is_made_twice_is_asked_once(path: Path) -> None:
    model = ScriptedModel(["one", "two"])
    inner = FaultyEmbedder(HashEmbedder())
    with Cassette(path, mode="record") as cassette:
        chat, embedder = cassette.chat(model), cassette.embedder(inner)
        assert [reply.text for reply in ask(chat, asked("a"), asked("a"))] == ["one", "one"]
        assert stream(chat, asked("a"))[0].text == "one"
        embed(embedder, ["a", "b", "a"])
        embed(embedder, ["b", "c"])
    assert (len(model.requests), inner.calls) == (1, [("a", "b"), ("c",)])


def test_of_two_replies_to_one_request_the_first_counts(path: Path) -> None:
    """Both are under way before either is answered."""
    model = ScriptedModel(["one", "two"])

    async def both(chat: ChatModel) -> list[str]:
        return [reply.text for reply in await asyncio.gather(chat.complete(asked("a")), chat.complete(asked("a")))]

    with Cassette(path, mode="record") as cassette:
        assert asyncio.run(both(cassette.chat(model))) == ["one", "one"]
    assert len(model.requests) == 2
    with Cassette(path) as cassette:
        assert asyncio.run(both(cassette.chat())) == ["one", "one"]


def test_a_stream_is_the_same_recorded_and_replayed(path: Path) -> None:
    with Cassette(path, mode="record") as cassette:
        live = stream(cassette.chat(ScriptedModel([REPLY])), asked("a"))
    with Cassette(path) as cassette:
        assert stream(cassette.chat(), asked("a")) == live
    assert "".join(piece.text for piece in live) == REPLY.text
    assert (live[-1].calls, live[-1].finish, live[-1].tokens) == (REPLY.calls, "calls", REPLY.tokens)


@pytest.mark.parametrize(
    "error",
    [ModelError("too long"), ModelReplyError("no JSON", raw="{ \ud800"), NoSchemaError("no schemas")],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_a_request_are_recorded(path: Path, error: ModelError) -> None:
    told = []
    for model in (ScriptedModel([error]), None):
        with Cassette(path, mode="record" if model else "replay") as cassette:
            chat = cassette.chat(model)
            for _ in range(2):
                with pytest.raises(ModelError) as raised:
                    ask(chat, asked("a"))
                told.append((type(raised.value), str(raised.value), getattr(raised.value, "raw", None)))
    assert told == [(type(error), str(error), getattr(error, "raw", None))] * 4


@pytest.mark.parametrize("error", [UnreachableError("asleep"), BudgetError("spent")], ids=["unreachable", "budget"])
def test_errors_that_say_nothing_of_the_request_are_not(path: Path, error: ModelError) -> None:
    with Cassette(path, mode="record") as cassette:
        chat = cassette.chat(ScriptedModel([error, "awake"]))
        with pytest.raises(type(error)):
            ask(chat, asked("a"))
        assert ask(chat, asked("a"))[0].text == "awake"


def test_a_stream_without_an_end_is_recorded_as_a_broken_reply(path: Path) -> None:
    class Endless(ScriptedModel):
        async def stream(self, request: Request, /) -> Any:
            yield Piece(text="Once upon")

    with Cassette(path, mode="record") as cassette, pytest.raises(ModelReplyError) as broken:
        stream(cassette.chat(Endless([])), asked("a"))
    assert broken.value.raw == "Once upon"


@pytest.mark.parametrize("fault", [one_too_few, not_a_number], ids=["too few", "not a number"])
def test_what_is_no_vector_is_not_recorded(path: Path, fault: Any) -> None:
    with Cassette(path, mode="record") as cassette:
        embedder = cassette.embedder(FaultyEmbedder(HashEmbedder(), [fault]))
        with pytest.raises(ModelError, match="nothing of it is recorded"):
            embed(embedder, ["a", "b"])
        assert np.array_equal(embed(embedder, ["a", "b"]), HashEmbedder().vectors(["a", "b"]))


def test_a_call_that_is_not_there_shows_what_differs_and_reaches_no_model(path: Path) -> None:
    record(
        path, asked("What do otters eat?"), asked("Where does Ana live?\nBe brief."), model=ScriptedModel(["a", "b"])
    )
    model = ScriptedModel(["never"])
    with Cassette(path) as cassette:
        with pytest.raises(NotRecordedError) as miss:
            ask(cassette.chat(model), asked("Where did Ana live?\nBe brief.", options=Options(temperature=1)))
        assert cassette.missed == [str(miss.value)]
    assert "-  Where does Ana live?\n+  Where did Ana live?\n   Be brief." in str(miss.value)
    assert '+  "temperature": 1' in str(miss.value)
    assert "otters" not in str(miss.value)
    assert model.requests == []
    assert not miss.value.again


def test_on_an_empty_cassette_the_call_itself_is_shown(path: Path) -> None:
    record(path, model=ScriptedModel([]))
    with Cassette(path) as cassette, pytest.raises(NotRecordedError, match=r"(?s)Nothing of the kind.*Where\?"):
        ask(cassette.chat(), asked("Where?"))


def test_another_model_is_another_call(path: Path) -> None:
    record(path, asked("a"), model=ScriptedModel(["one"]))
    with Cassette(path) as cassette, pytest.raises(NotRecordedError, match=r"-model: scripted\n\+model: other"):
        ask(cassette.chat(name="other"), asked("a"))


def test_extending_asks_only_for_what_is_missing(path: Path) -> None:
    record(path, asked("a"), model=ScriptedModel(["one"]))
    model = ScriptedModel(["two"])
    with Cassette(path, mode="extend") as cassette:
        chat = cassette.chat(model)
        assert [reply.text for reply in ask(chat, asked("a"), asked("b"))] == ["one", "two"]
    assert model.requests == [asked("b")]
    with Cassette(path) as cassette:
        assert [reply.text for reply in ask(cassette.chat(), asked("b"), asked("a"))] == ["two", "one"]


def test_recording_begins_a_new_file(path: Path) -> None:
    record(path, asked("a"), model=ScriptedModel(["one"]))
    part = path.with_name(path.name + ".part")
    part.write_bytes(path.read_bytes())  # somebody was killed while recording
    with Cassette(path, mode="record"):
        assert len(part.read_text().splitlines()) == 1
    record(path, asked("b"), model=ScriptedModel(["two"]))
    assert "one" not in path.read_text()


def test_the_file_does_not_depend_on_the_order_of_calls(path: Path) -> None:
    requests, held = [asked(str(number)) for number in range(20)], []
    for order in (requests, requests[::-1]):
        with Cassette(path, mode="record") as cassette:
            ask(cassette.chat(ScriptedModel(lambda request: request.messages[0].content)), *order)
            embed(cassette.embedder(HashEmbedder(8)), [request.messages[0].content for request in order])
        held.append(path.read_bytes())
    assert held[0] == held[1]
    lines = held[0].decode().splitlines()
    assert all(line == json.dumps(json.loads(line), sort_keys=True, ensure_ascii=False) for line in lines)
    assert list(path.parent.iterdir()) == [path]


def test_many_threads_can_record_at_once(path: Path) -> None:
    """The model answers differently every time: what all of them hear is what is on the tape."""
    model = ScriptedModel([str(number) for number in range(200)])
    heard: list[list[str]] = []
    requests = [asked(str(number)) for number in range(12)]
    with Cassette(path, mode="record") as cassette:
        chat, embedder = cassette.chat(model), cassette.embedder(HashEmbedder())

        def work() -> None:
            async def all_at_once() -> None:
                replies = await asyncio.gather(*(chat.complete(request) for request in requests))
                await asyncio.gather(*(embedder.embed([str(number)], query=False) for number in range(12)))
                heard.append([reply.text for reply in replies])

            asyncio.run(all_at_once())

        at_once([work] * 8)
    with Cassette(path) as cassette:
        assert heard == [[reply.text for reply in ask(cassette.chat(), *requests)]] * 8
        assert np.array_equal(embed(cassette.embedder(), ["3"]), HashEmbedder().vectors(["3"]))


KILLED = """
import asyncio, os, signal, sys
from memkit.messages import Message, Request
from memkit.testing.cassette import Cassette
from memkit.testing.scripted import ScriptedModel
cassette = Cassette(sys.argv[1], mode="extend")
chat = cassette.chat(ScriptedModel(["one", "two"]))
for text in "ab":
    asyncio.run(chat.complete(Request(messages=(Message(role="user", content=text),))))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_recorded_outlives_a_killed_process(path: Path) -> None:
    record(path, asked("0"), model=ScriptedModel(["zero"]))
    before = path.read_bytes()
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=variables, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    part = path.with_name(path.name + ".part")
    part.write_bytes(part.read_bytes() + b'{"kind": "ch')  # the last line was cut off
    with Cassette(path, mode="extend") as cassette:
        chat = cassette.chat(ScriptedModel([]))
        assert [reply.text for reply in ask(chat, asked("b"), asked("a"), asked("0"))] == ["two", "one", "zero"]
    with Cassette(path) as cassette:
        assert [reply.text for reply in ask(cassette.chat(), asked("b"), asked("a"), asked("0"))] == [
            "two",
            "one",
            "zero",
        ]
    assert not part.exists()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda lines: [], "is empty"),
        (lambda lines: [*lines, "[" * 100_000], "is not from a cassette: maximum recursion depth"),
        (lambda lines: ['{"role": "user"}', *lines], "line 1, is not from a cassette: a cassette begins with"),
        (lambda lines: [lines[0].replace("1", "2"), *lines[1:]], "line 1"),
        (lambda lines: [*lines[:2], "<<<<<<< HEAD", *lines[2:]], "line 3"),
        (lambda lines: [*lines, "[]"], "line 6"),
        (lambda lines: [*lines, '{"kind": "film"}'], "line 6.*no lines of kind 'film'"),
        (lambda lines: [*lines, lines[3].replace("one", "two")], "line 6.*there is another reply to the same request"),
        (lambda lines: [*lines[:3], lines[3].replace("content", "contents"), lines[4]], "line 4.*contents"),
        (lambda lines: [*lines[:3], lines[3].replace('"reply"', '"answer"'), lines[4]], "line 4.*'reply'"),
        (
            lambda lines: [*lines[:4], lines[4].replace('"vector": "', '"vector": "' + "A" * 16)],
            "line 5.*has 4 numbers, not 7",
        ),
        (lambda lines: [*lines[:4], lines[4].replace('"vector": "', '"vector": "?')], "line 5"),
        (lambda lines: [*lines[:2], *lines[3:]], "line 4.*KeyError"),
        (lambda lines: ["\x00\x7fELF"], "line 1"),
    ],
    ids=[
        "empty",
        "too deep",
        "foreign",
        "newer",
        "merge mark",
        "list",
        "unknown kind",
        "two replies",
        "misspelt field",
        "no reply",
        "longer vector",
        "no vector",
        "no space",
        "binary",
    ],
)
def test_a_damaged_file_is_named_with_its_line(path: Path, change: Any, text: str) -> None:
    with Cassette(path, mode="record") as cassette:
        ask(cassette.chat(ScriptedModel(["one"])), asked("a"))
        embed(cassette.embedder(HashEmbedder(4)), ["a"])
    lines = path.read_text().splitlines()
    assert len(lines) == 5
    path.write_text("".join(f"{line}\n" for line in change(lines)))
    with pytest.raises(CassetteError, match=f"ana.jsonl.*{text}"):
        Cassette(path)


def test_a_file_whose_lines_end_as_on_windows_is_read(path: Path) -> None:
    record(path, asked("a"), model=ScriptedModel(["one"]))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with Cassette(path) as cassette:
        assert ask(cassette.chat(), asked("a"))[0].text == "one"


def test_bytes_that_are_no_text_are_named_with_their_line(path: Path) -> None:
    record(path, asked("a"), model=ScriptedModel(["one"]))
    path.write_bytes(path.read_bytes() + b"\xff\n")
    with pytest.raises(CassetteError, match="line 4"):
        Cassette(path)


def test_a_cassette_that_is_not_there_is_asked_for(path: Path) -> None:
    with pytest.raises(CassetteError, match='mode="record"'):
        Cassette(path)


def test_there_is_no_fourth_mode(path: Path) -> None:
    with pytest.raises(ValueError, match="replay, record, extend"):
        Cassette(path, mode="play")  # type: ignore[arg-type]


def test_only_one_at_a_time_records_into_a_file(path: Path) -> None:
    with Cassette(path, mode="record") as cassette:
        ask(cassette.chat(ScriptedModel(["one"])), asked("a"))
        for mode in ("record", "extend"):
            with pytest.raises(CassetteError, match="somebody else is recording"):
                Cassette(path, mode=mode)  # type: ignore[arg-type]
    with Cassette(path, mode="extend") as cassette:
        assert ask(cassette.chat(ScriptedModel([])), asked("a"))[0].text == "one"


def test_a_cassette_that_cannot_be_read_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    part = path.with_name(path.name + ".part")
    for damaged in (path, part):
        damaged.write_text("no cassette\n")
        with pytest.raises(CassetteError, match="line 1"):
            Cassette(path, mode="extend")
        assert damaged.read_text() == "no cassette\n"
        damaged.unlink()


@pytest.mark.parametrize("mode", ["record", "extend"])
def test_recording_needs_models(path: Path, mode: Mode) -> None:
    with Cassette(path, mode=mode) as cassette:
        with pytest.raises(ValueError, match="needs a model"):
            cassette.chat()
        with pytest.raises(ValueError, match="needs an embedder"):
            cassette.embedder()


def test_among_several_models_one_must_be_named(path: Path) -> None:
    with Cassette(path, mode="record") as cassette:
        for name in ("small", "large"):
            ask(cassette.chat(ScriptedModel([name], model=name)), asked("a"))
        for width in (4, 8):
            embed(cassette.embedder(HashEmbedder(width)), ["a"])
    with Cassette(path) as cassette:
        with pytest.raises(ValueError, match=r"'large', 'small'. Pass name="):
            cassette.chat()
        with pytest.raises(ValueError, match="Pass space="):
            cassette.embedder()
        assert ask(cassette.chat(name="large"), asked("a"))[0].text == "large"
        assert embed(cassette.embedder(space=HashEmbedder(8).space), ["a"]).shape == (1, 8)


def test_what_was_never_called_can_be_replayed_too(path: Path) -> None:
    with Cassette(path, mode="record") as cassette:
        cassette.chat(ScriptedModel([], model="idle"))
        cassette.embedder(HashEmbedder(8))
    with Cassette(path) as cassette:
        assert cassette.chat().model == "idle"
        assert cassette.embedder().space == HashEmbedder(8).space


def test_what_a_mask_hides_does_not_count(path: Path) -> None:
    call = Message(
        role="assistant", content="", calls=(ToolCall(id="1", name="at", arguments='{"day": "2024-05-08"}'),)
    )

    def on(day: str) -> Request:
        said = Message(role="user", content=f"[1] {day}, Ana: I moved to Lisbon.")
        return Request(messages=(said, replace(call, calls=(replace(call.calls[0], arguments=f'{{"day": "{day}"}}'),))))

    model, inner = ScriptedModel(["one"]), FaultyEmbedder(HashEmbedder())
    with Cassette(path, mode="record", mask=without_dates) as cassette:
        ask(cassette.chat(model), on("2024-05-08"), on("2024-05-09"))
        live = embed(cassette.embedder(inner), ["on 2024-05-08", "by 2024-05-08", "on 2024-05-09"])
    assert model.requests == [on("2024-05-08")]  # the model was given the whole of it
    assert len(inner.calls[0]) == 2
    with Cassette(path, mask=without_dates) as cassette:
        assert ask(cassette.chat(), on("2026-11-20"))[0].text == "one"
        assert np.array_equal(embed(cassette.embedder(), ["by 2026-01-01", "on 2026-01-01"]), live[[1, 0]])
    with Cassette(path) as cassette, pytest.raises(NotRecordedError, match="2026-11-20"):
        ask(cassette.chat(), on("2026-11-20"))


@pytest.mark.parametrize(
    "moment", ["2024-05-08", "2024-05-08T10:20", "2024-05-08 10:20:30.123456+00:00", "2024-05-08T10:20:30Z"]
)
def test_dates_and_times_are_masked_and_nothing_else(moment: str) -> None:
    assert without_dates(f"([1] {moment}, Ana: 12-34 or 12024-05-08?") == "([1] [date], Ana: 12-34 or 12024-05-08?"


def test_an_embedder_and_another_space_do_not_go_together(path: Path) -> None:
    with Cassette(path, mode="record") as cassette, pytest.raises(ValueError, match="not Space"):
        cassette.embedder(HashEmbedder(4), space=HashEmbedder(8).space)


def test_a_closed_cassette_answers_nothing(path: Path) -> None:
    cassette = Cassette(path, mode="record")
    chat, embedder = cassette.chat(ScriptedModel(["one"])), cassette.embedder(HashEmbedder())
    ask(chat, asked("a"))
    cassette.close()
    cassette.close()
    with pytest.raises(ClosedError, match="is closed"):
        ask(chat, asked("a"))
    with pytest.raises(ClosedError, match="is closed"):
        embed(embedder, ["a"])


def test_a_call_that_ends_after_the_cassette_was_closed_is_an_error(path: Path) -> None:
    cassette = Cassette(path, mode="record")

    def reply(request: Request) -> str:
        cassette.close()
        return "late"

    with pytest.raises(ClosedError, match="during this call"):
        ask(cassette.chat(ScriptedModel(reply)), asked("a"))


def test_without_an_event_loop_nothing_is_asked(path: Path) -> None:
    model = ScriptedModel(["one"])
    with Cassette(path, mode="record") as cassette:
        for attempt in (
            cassette.chat(model).complete(asked("a")),
            cassette.embedder(HashEmbedder()).embed(["a"], query=False),
        ):
            with pytest.raises(RuntimeError, match="no running event loop"):
                attempt.send(None)  # type: ignore[attr-defined]
    assert model.requests == []
