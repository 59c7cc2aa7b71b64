"""Structured and kept replies: `ask`, `ask_all` and `sources` of an `Llm`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from memkit.errors import BudgetError, ModelError, ModelReplyError, NoSchemaError, UnreachableError
from memkit.messages import Message, Options, Reply, Request, Shape, ToolCall
from memkit.models.bound import Bound
from memkit.models.metered import Budget, Limits, Metered
from memkit.ports import ChatModel
from memkit.testing.scripted import ScriptedModel
from memkit.values import Json

T = TypeVar("T")


class Notes:
    """Kept replies as the database has them: the first under a key stays, and nothing is kept about events that are gone."""

    def __init__(self, *, gone: Sequence[str] = ()) -> None:
        self.replies: dict[str, str] = {}
        self.events: dict[str, tuple[str, ...]] = {}
        self.looked = 0
        self.gone = set(gone)

    async def find(self, keys: Sequence[str], /) -> dict[str, str]:
        self.looked += 1
        return {key: self.replies[key] for key in keys if key in self.replies}

    async def keep(self, key: str, reply: str, events: Sequence[str], /) -> bool:
        if self.gone & set(events):
            return False
        self.replies.setdefault(key, reply)
        self.events.setdefault(key, tuple(events))
        return True


class NoSchemas(ScriptedModel):
    """A model whose server knows no JSON schemas; `tried` counts how often it was asked to."""

    tried = 0

    async def complete(self, request: Request, /) -> Reply:
        if request.schema is not None:
            self.tried += 1
            raise NoSchemaError("what is a schema?")
        return await super().complete(request)


def read_names(value: Json) -> list[str]:
    assert isinstance(value, dict)
    names = value["names"]
    assert isinstance(names, list)
    if "Nobody" in names:
        raise ValueError('"Nobody" is no name; leave it out')
    return [str(name) for name in names]


NAMES: Shape[list[str]] = Shape(
    name="names",
    schema={
        "type": "object",
        "properties": {"names": {"type": "array", "items": {"type": "string"}}},
        "required": ["names"],
        "additionalProperties": False,
    },
    read=read_names,
)
COUNT: Shape[int] = Shape(name="count", schema={"type": "integer"}, read=lambda value: int(str(value)))
GOOD = '{"names": ["Ana", "Ben"]}'


def question(text: str = "Who was there?") -> list[Message]:
    return [Message(role="system", content="You read minutes."), Message(role="user", content=text)]


def bound(model: ChatModel, notes: Notes | None = None, *, limits: Limits | None = None) -> Bound:
    return Metered(model, limits=limits).bound("reader", notes)


def run(call: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(call)


def names(llm: Bound, text: str = "Who was there?", sources: Sequence[str] = ()) -> list[str]:
    return run(llm.ask(question(text), NAMES, stage="names", sources=sources))


# --- one question ---------------------------------------------------------------------------------


def test_the_schema_is_sent_and_the_value_read() -> None:
    model = ScriptedModel([GOOD])
    assert names(bound(model)) == ["Ana", "Ben"]
    (request,) = model.requests
    assert (request.schema, request.schema_name, request.messages) == (NAMES.schema, "names", tuple(question()))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("Ana and Ben were there.", "there is no JSON in it"),
        ('{"names": "Ana"}', "names must be of type array, not string"),
        ('{"names": [1, 2]}', "names[0] must be of type string, not integer; names[1] must be"),
        ('{"names": "Ana"} [1]', "names must be of type array, not string"),
        ('{"people": ["Ana"]}', 'the value lacks "names"; the value may not have "people"'),
        ('{"names": ["Ana", "Nobody"]}', '"Nobody" is no name; leave it out'),
        ("", "there is no JSON in it"),
        ('{"names": ["Ana", "Be', "the reply ends in the middle of a value"),
    ],
)
def test_what_was_wrong_is_told_and_the_question_asked_again(bad: str, why: str) -> None:
    model = ScriptedModel([bad, GOOD])
    assert names(bound(model)) == ["Ana", "Ben"]
    first, second = (request.messages for request in model.requests)
    assert second[: len(first)] == first
    said, told = second[len(first) :]
    assert (said.role, said.content) == ("assistant", bad or "(nothing)")
    assert told.role == "user"
    assert f"That answer cannot be used: {why}" in told.content
    assert '"names"' in told.content  # the schema, for servers that took no notice of it


def test_a_model_that_never_gets_it_right_is_given_up_with_what_it_said_last() -> None:
    model = ScriptedModel(["a", "b", "c", "d"])
    with pytest.raises(ModelReplyError, match="'scripted' was asked 3 times for 'names'") as wrong:
        names(bound(model))
    assert wrong.value.raw == "c"
    assert "no JSON" in str(wrong.value.__cause__)
    assert [len(request.messages) for request in model.requests] == [2, 4, 4]
    once = ScriptedModel(["a"])
    with pytest.raises(ModelReplyError):
        names(bound(once, limits=Limits(repairs=0)))
    assert once.left == 0


def test_an_error_quotes_neither_question_nor_answer() -> None:
    with pytest.raises(ModelReplyError) as wrong:
        names(bound(ScriptedModel(['{"secret": "Lisbon"}'] * 3)), "Where is Ana?")
    assert "secret" not in str(wrong.value)
    assert "Ana" not in str(wrong.value)


def test_a_refusal_is_not_asked_again() -> None:
    model = ScriptedModel([Reply(text="I would rather not.", finish="refusal")])
    with pytest.raises(ModelReplyError, match="refused to answer") as refusal:
        names(bound(model))
    assert refusal.value.raw == "I would rather not."
    assert len(model.requests) == 1


def test_a_cut_off_list_counts_as_far_as_it_came_if_the_shape_takes_it() -> None:
    cut = Reply(text='{"names": ["Ana", "Ben", "Cle', finish="length")
    assert names(bound(ScriptedModel([cut]))) == ["Ana", "Ben"]
    broken = Reply(text='{"names": ["Nobody", "Ben", "Cle', finish="length")
    model = ScriptedModel([broken, GOOD])
    assert names(bound(model)) == ["Ana", "Ben"]
    assert "cut off at the longest length that is allowed, so be shorter" in model.requests[1].messages[-1].content


def test_a_list_that_the_model_did_not_finish_by_itself_is_not_repaired() -> None:
    model = ScriptedModel([Reply(text='{"names": ["Ana", "Be'), GOOD])
    assert names(bound(model)) == ["Ana", "Ben"]
    assert len(model.requests) == 2


def test_an_error_of_the_shape_itself_is_the_callers() -> None:
    broken: Shape[str] = Shape(name="broken", schema={"type": "object"}, read=lambda value: value["x"])  # type: ignore[call-overload, index, arg-type, return-value]
    with pytest.raises(KeyError):
        run(bound(ScriptedModel(["{}"])).ask(question(), broken, stage="x"))


def test_a_schema_that_cannot_be_checked_is_refused_before_anything_is_sent() -> None:
    model = ScriptedModel([])
    odd: Shape[str] = Shape(name="odd", schema={"type": "string", "pattern": "a+"}, read=str)
    with pytest.raises(ValueError, match="has pattern"):
        run(bound(model).ask(question(), odd, stage="x"))
    with pytest.raises(ValueError, match="has pattern"):
        run(bound(model).ask_all([question()], odd, stage="x"))
    assert model.requests == []


# --- servers without schemas ----------------------------------------------------------------------


def test_a_server_without_schemas_is_shown_the_schema_from_then_on() -> None:
    model = NoSchemas([f"```json\n{GOOD}\n```", GOOD])
    metered = Metered(model)
    for stage in ("first", "second"):
        run(metered.bound("reader").ask(question(), NAMES, stage=stage))
    assert model.tried == 1
    for request in model.requests:
        system, user = request.messages
        assert system.content.startswith("You read minutes.\n\nWrite your answer as one JSON value")
        assert '"required": [' in system.content
        assert user == question()[1]
        assert request.schema is None
    assert [(row.calls, row.failures) for row in metered.usage()] == [(1, 0), (1, 0)]


def test_a_question_without_a_system_message_gets_one() -> None:
    model = NoSchemas([GOOD])
    run(bound(model).ask(question()[1:], NAMES, stage="x"))
    assert [message.role for message in model.requests[0].messages] == ["system", "user"]


def test_only_objects_are_asked_for_by_schema() -> None:
    model = ScriptedModel(["There were\n```json\n2\n```"])
    assert run(bound(model).ask(question(), COUNT, stage="x")) == 2
    assert model.requests[0].schema is None


# --- several questions ----------------------------------------------------------------------------


def by_text(replies: dict[str, str | Exception]) -> ScriptedModel:
    def answer(request: Request) -> str:
        reply = replies[request.messages[1].content]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return ScriptedModel(answer)


def test_answers_are_in_order_with_errors_in_their_places() -> None:
    refused = ModelError("too long")
    model = by_text({"a": '{"names": ["Ana"]}', "b": refused, "c": "never", "d": '{"names": []}'})
    found = run(bound(model).ask_all([question(text) for text in "abcd"], NAMES, stage="x"))
    assert (found[0], found[1], found[3]) == (["Ana"], refused, [])
    assert isinstance(found[2], ModelReplyError)
    assert run(bound(model).ask_all([], NAMES, stage="x")) == []


def test_what_concerns_all_of_them_is_raised() -> None:
    away = UnreachableError("wrong key", again=False)
    model = by_text({"a": GOOD, "b": away, "c": GOOD})
    with pytest.raises(UnreachableError) as raised:
        run(bound(model, limits=Limits(at_once=1)).ask_all([question(text) for text in "abc"], NAMES, stage="x"))
    assert raised.value is away
    assert len(model.requests) == 2


def test_when_the_budget_ends_what_was_paid_for_is_kept() -> None:
    model, notes = ScriptedModel(lambda request: GOOD), Notes()
    metered = Metered(model, limits=Limits(at_once=2), budget=Budget(calls=3))
    questions = [question(text) for text in "abcde"]
    sources = [[text] for text in "abcde"]
    with pytest.raises(BudgetError):
        run(metered.bound("reader", notes).ask_all(questions, NAMES, stage="x", sources=sources))
    assert len(notes.replies) == 3
    more = Metered(model, budget=Budget(calls=2)).bound("reader", notes)
    assert run(more.ask_all(questions, NAMES, stage="x", sources=sources)) == [["Ana", "Ben"]] * 5


def test_when_the_budget_ends_no_other_question_is_begun() -> None:
    model = ScriptedModel(lambda request: GOOD)
    metered = Metered(model, limits=Limits(at_once=1), budget=Budget(tokens=1000))
    questions = [question("a"), question("b " * 1000), question("c")]
    with pytest.raises(BudgetError):
        run(metered.bound("reader").ask_all(questions, NAMES, stage="x", options=Options(most=50)))
    assert [request.messages[1].content for request in model.requests] == ["a"]


def test_asking_many_can_be_cancelled_and_leaves_no_task_behind() -> None:
    class Slow(ScriptedModel):
        async def complete(self, request: Request, /) -> Reply:
            await asyncio.sleep(60)
            raise AssertionError("too late")

    async def cancel() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await bound(Slow([])).ask_all([question(text) for text in "abcdefghijkl"], NAMES, stage="x")
        return len(asyncio.all_tasks())

    assert run(cancel()) == 1


def test_sources_go_with_the_questions() -> None:
    with pytest.raises(ValueError, match="there are 2 questions, but sources for 1"):
        run(bound(ScriptedModel([])).ask_all([question("a"), question("b")], NAMES, stage="x", sources=[["e1"]]))


def test_without_an_event_loop_nothing_is_looked_up_and_nothing_sent() -> None:
    model, notes = ScriptedModel([GOOD]), Notes()
    llm = bound(model, notes)
    for call in (
        llm.ask(question(), NAMES, stage="x", sources=["e"]),
        llm.ask_all([question()], NAMES, stage="x", sources=[["e"]]),
        llm.complete(question(), stage="x", sources=["e"]),
    ):
        with pytest.raises(RuntimeError, match="no running event loop"):
            call.send(None)
    assert (model.requests, notes.looked) == ([], 0)


# --- kept replies ---------------------------------------------------------------------------------


def test_a_kept_reply_costs_nothing_also_after_a_restart() -> None:
    model, notes = ScriptedModel([GOOD]), Notes()
    assert names(bound(model, notes), sources=["e1", "e2"]) == ["Ana", "Ben"]
    restarted = Metered(model)
    assert names(restarted.bound("reader", notes), sources=["e1", "e2"]) == ["Ana", "Ben"]
    (row,) = restarted.usage()
    assert (row.calls, row.kept, row.prompt) == (0, 1, 0)
    assert list(notes.events.values()) == [("e1", "e2")]


def test_a_whole_reply_comes_back_as_it_was() -> None:
    reply = Reply(text="Let me see.", calls=(ToolCall(id="1", name="recall", arguments="{"),), finish="calls")
    model, notes = ScriptedModel([reply], tells=False), Notes()
    for _ in range(2):
        assert run(bound(model, notes).complete(question(), stage="x", sources=["e"])) == reply
    assert len(model.requests) == 1


def test_without_sources_nothing_is_kept_or_looked_up() -> None:
    model, notes = ScriptedModel([GOOD, GOOD]), Notes()
    names(bound(model, notes))
    names(bound(model, notes))
    assert (notes.replies, notes.looked) == ({}, 0)


def test_another_question_another_model_or_other_options_have_another_reply() -> None:
    notes = Notes()
    for model in ("one", "two"):
        for text in ("a", "b"):
            names(bound(ScriptedModel([GOOD], model=model), notes), text, ["e"])
    llm = bound(ScriptedModel([GOOD], model="one"), notes)
    run(llm.ask(question("a"), NAMES, stage="x", sources=["e"], options=Options(temperature=0)))
    assert len(notes.replies) == 5


def test_only_what_could_be_used_is_kept() -> None:
    notes = Notes()
    with pytest.raises(ModelReplyError):
        names(bound(ScriptedModel(["a", "b", "c"]), notes), sources=["e"])
    run(
        bound(ScriptedModel([Reply(text="no", finish="refusal")]), notes).complete(question(), stage="x", sources=["e"])
    )
    assert notes.replies == {}
    names(bound(ScriptedModel(["a", GOOD]), notes), sources=["e"])
    (kept,) = notes.replies.values()
    assert json.loads(kept)["text"] == GOOD


def test_a_reply_is_kept_under_its_question_in_whatever_form_that_was_sent() -> None:
    notes = Notes()
    names(bound(NoSchemas([GOOD]), notes), sources=["e"])
    assert names(bound(ScriptedModel([]), notes), sources=["e"]) == ["Ana", "Ben"]


@pytest.mark.parametrize("old", ["no JSON at all", '{"text": 1}', json.dumps(["a"])])
def test_a_kept_reply_that_is_of_no_use_any_more_is_asked_for_anew_once(old: str) -> None:
    notes = Notes()
    key = Request(messages=tuple(question()), schema=NAMES.schema, schema_name="names").key("scripted")
    notes.replies[key] = old
    model = ScriptedModel([GOOD])
    for _ in range(3):
        assert names(bound(model, notes), sources=["e"]) == ["Ana", "Ben"]
    assert len(model.requests) == 1
    assert notes.replies[key] == old
    assert len(notes.replies) == 2


def test_a_kept_reply_that_does_not_meet_the_shape_any_more_is_asked_for_anew() -> None:
    stricter = Shape(name="names", schema=NAMES.schema, read=lambda value: _at_least_three(read_names(value)))
    three = '{"names": ["Ana", "Ben", "Cleo"]}'
    notes = Notes()
    model = ScriptedModel([GOOD, three])
    names(bound(model, notes), sources=["e"])
    for _ in range(2):
        found = run(bound(model, notes).ask(question(), stricter, stage="names", sources=["e"]))
        assert found == ["Ana", "Ben", "Cleo"]
    assert model.left == 0


def _at_least_three(found: list[str]) -> list[str]:
    if len(found) < 3:
        raise ValueError("there were three at least")
    return found


def test_nothing_is_kept_about_an_event_that_is_gone() -> None:
    model, notes = ScriptedModel([GOOD, GOOD]), Notes(gone=["e2"])
    for _ in range(2):
        assert names(bound(model, notes), sources=["e1", "e2"]) == ["Ana", "Ben"]
    assert notes.replies == {}


def test_many_questions_are_looked_up_together() -> None:
    notes = Notes()
    questions = [question(text) for text in "abcdef"]
    sources = [[text] for text in "abcdef"]
    for model in (ScriptedModel(lambda request: GOOD), ScriptedModel([])):
        looked = notes.looked
        assert len(run(bound(model, notes).ask_all(questions, NAMES, stage="x", sources=sources))) == 6
        assert notes.looked == looked + 1
