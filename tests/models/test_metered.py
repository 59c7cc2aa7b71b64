"""`Metered`: limits, retries, counts and budgets, whatever model is behind it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memkit.errors import BudgetError, ModelError, ModelReplyError, UnreachableError
from memkit.messages import Message, Options, Piece, Reply, Request, Shape, Tokens, Tool, ToolCall
from memkit.models.bound import Bound
from memkit.models.ledger import REPLY_ALLOWANCE, prompt_tokens, reply_tokens
from memkit.models.metered import Budget, Limits, Metered, Price
from memkit.ports import Llm
from memkit.testing.scripted import ScriptedModel
from memkit.values import CallUsage

T = TypeVar("T")

HELLO = [Message(role="user", content="Hello, who are you?")]
PRICES = {"scripted": Price(prompt=1.0, reply=10.0, cached=0.5)}
TOLD = Reply(text="Ana", tokens=Tokens(prompt=100, reply=10, cached=40))


class Sleepless:
    """Waits for nothing, and writes down for how long it would have."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


class Held:
    """A model that answers when it is told to, and knows how many wait for it."""

    model = "held"

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply = reply or Reply(text="yes")
        self.waiting = self.most = 0
        self.go = asyncio.Event()
        self.arrived = asyncio.Semaphore(0)

    async def complete(self, request: Request, /) -> Reply:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        self.arrived.release()
        try:
            await self.go.wait()
            return self.reply
        finally:
            self.waiting -= 1

    async def stream(self, request: Request, /) -> AsyncIterator[Piece]:
        yield Piece(text="ye")
        await self.complete(request)
        yield Piece(text="s", finish="stop")


class Streams:
    """A model whose streams are scripted: pieces, or an error in the place of one."""

    model = "streams"

    def __init__(self, *streams: Sequence[Piece | Exception]) -> None:
        self.streams = list(streams)
        self.closed = 0

    async def complete(self, request: Request, /) -> Reply:
        raise NotImplementedError

    async def stream(self, request: Request, /) -> AsyncIterator[Piece]:
        try:
            for piece in self.streams.pop(0):
                await asyncio.sleep(0)
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed += 1


def run(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """On a loop of its own, on which nothing is left behind."""

    async def alone() -> T:
        try:
            return await call()
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return asyncio.run(alone())


def say(llm: Llm, stage: str = "chat", options: Options | None = None) -> Reply:
    return run(lambda: llm.complete(HELLO, stage=stage, options=options))


async def heard(llm: Llm) -> list[Piece]:
    return [piece async for piece in llm.stream(HELLO, stage="chat")]


def only(metered: Metered) -> CallUsage:
    (row,) = metered.usage()
    return row


# --- counting -------------------------------------------------------------------------------------


def test_what_the_server_tells_is_counted_by_component_and_stage() -> None:
    metered = Metered(ScriptedModel([TOLD] * 4), prices=PRICES)
    say(metered.bound("thoughts"), "merge")
    say(metered.bound("agent"), "reply")
    say(metered.bound("agent"), "plan")
    say(metered.bound("agent"), "plan")
    rows = metered.usage()
    assert [(row.model, row.component, row.stage, row.calls) for row in rows] == [
        ("scripted", "agent", "plan", 2),
        ("scripted", "agent", "reply", 1),
        ("scripted", "thoughts", "merge", 1),
    ]
    plan = rows[0]
    assert (plan.prompt, plan.cached, plan.reply, plan.estimated, plan.failures, plan.retries) == (200, 80, 20, 0, 0, 0)
    assert plan.cost == pytest.approx(2 * (60 * 1.0 + 40 * 0.5 + 10 * 10.0) / 1e6)


def test_what_the_server_does_not_tell_is_estimated() -> None:
    metered = Metered(ScriptedModel(["I am Ana, and who are you?"], tells=False))
    reply = say(metered.bound("agent"))
    row = only(metered)
    assert (row.calls, row.estimated) == (1, 1)
    assert (row.prompt, row.reply) == (prompt_tokens(Request(messages=tuple(HELLO))), reply_tokens(reply))


def test_without_a_price_the_cost_is_unknown() -> None:
    metered = Metered(ScriptedModel([TOLD]), prices={"another": Price(prompt=1, reply=1)})
    say(metered.bound("agent"))
    assert only(metered).cost is None


def test_a_cache_without_a_price_costs_what_the_rest_costs() -> None:
    assert Price(prompt=2, reply=0).of(Tokens(prompt=1_000_000, cached=999_999)) == 2
    assert Price(prompt=2, reply=0, cached=0).of(Tokens(prompt=1_000_000, cached=500_000)) == 1


def test_an_estimate_counts_all_that_is_sent() -> None:
    bare = Request(messages=tuple(HELLO))
    tool = Tool(name="recall", description="Look it up", parameters={"type": "object"})
    call = ToolCall(id="1", name="recall", arguments='{"query": "Ana"}')
    assert prompt_tokens(bare) > 4
    assert prompt_tokens(Request(messages=tuple(HELLO), options=Options(tools=(tool,)))) > prompt_tokens(bare)
    assert prompt_tokens(Request(messages=tuple(HELLO), schema={"type": "object"})) > prompt_tokens(bare)
    calling = Message(role="assistant", content="", calls=(call,))
    assert prompt_tokens(Request(messages=(*HELLO, calling))) > prompt_tokens(bare) + 4


def test_threads_lose_no_count() -> None:
    metered = Metered(ScriptedModel([TOLD] * 200), prices=PRICES)

    def ten() -> None:
        for _ in range(10):
            say(metered.bound("agent"))

    threads = [threading.Thread(target=ten) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = only(metered)
    assert (row.calls, row.prompt, row.reply) == (200, 20_000, 2_000)


def test_seconds_are_those_of_the_model_and_not_of_the_reader() -> None:
    metered = Metered(ScriptedModel(["a b c d e f"]))

    async def slowly() -> None:
        async for _ in metered.bound("agent").stream(HELLO, stage="chat"):
            await asyncio.sleep(0.05)

    run(slowly)
    assert 0 < only(metered).seconds < 0.05


# --- limits ---------------------------------------------------------------------------------------


def test_no_more_requests_than_allowed_are_under_way() -> None:
    model = Held()
    metered = Metered(model, limits=Limits(at_once=3))
    llm = metered.bound("agent")

    async def many() -> None:
        calls = [asyncio.create_task(llm.complete(HELLO, stage="chat")) for _ in range(10)]
        streams = [asyncio.create_task(heard(llm)) for _ in range(10)]
        for _ in range(3):
            await model.arrived.acquire()
        model.go.set()
        await asyncio.gather(*calls, *streams)

    run(many)
    assert model.most == 3
    assert only(metered).calls == 20


def test_event_loops_after_one_another_and_at_the_same_time_can_ask() -> None:
    metered = Metered(ScriptedModel(lambda request: "yes"), limits=Limits(at_once=1))
    llm = metered.bound("agent")

    async def several() -> None:
        await asyncio.gather(*(llm.complete(HELLO, stage="chat") for _ in range(5)))

    threads = [threading.Thread(target=lambda: [run(several) for _ in range(3)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert only(metered).calls == 60


def test_requests_begin_evenly_spread_over_a_minute() -> None:
    sleep = Sleepless()
    metered = Metered(ScriptedModel(["yes"] * 4), limits=Limits(per_minute=6), sleep=sleep)

    async def four() -> None:
        await asyncio.gather(*(metered.bound("agent").complete(HELLO, stage="chat") for _ in range(4)))

    run(four)
    assert [round(wait) for wait in sleep.waits] == [10, 20, 30]


def test_a_model_that_takes_too_long_is_asked_again_and_then_given_up() -> None:
    model = Held()
    metered = Metered(model, limits=Limits(timeout=0.02, retries=2), sleep=Sleepless())
    with pytest.raises(UnreachableError, match=r"'held': no answer within 0\.02 seconds") as away:
        say(metered.bound("agent"))
    assert away.value.again
    row = only(metered)
    assert (row.calls, row.failures, row.retries) == (0, 3, 2)
    assert (row.prompt, row.reply, row.estimated) == (3 * prompt_tokens(Request(messages=tuple(HELLO))), 0, 3)
    assert model.waiting == 0


def test_the_time_limit_of_a_stream_is_for_each_piece() -> None:
    metered = Metered(Held(), limits=Limits(timeout=0.02))
    with pytest.raises(UnreachableError, match="broke off after 2 characters") as away:
        run(lambda: heard(metered.bound("agent")))
    assert not away.value.again


# --- trying again ---------------------------------------------------------------------------------


def test_a_passing_failure_is_tried_again_after_a_random_wait_that_grows() -> None:
    sleep = Sleepless()
    script: list[str | Exception] = [UnreachableError("busy")] * 4
    metered = Metered(ScriptedModel([*script, "Ana"]), sleep=sleep, seed=7)
    assert say(metered.bound("agent")).text == "Ana"
    row = only(metered)
    assert (row.calls, row.failures, row.retries) == (1, 4, 4)
    assert all(0 <= wait <= bound for wait, bound in zip(sleep.waits, (0.5, 1, 2, 4), strict=True))
    again = Sleepless()
    say(Metered(ScriptedModel([*script, "Ana"]), sleep=again, seed=7).bound("agent"))
    assert again.waits == sleep.waits


def test_waits_differ_and_their_bound_doubles() -> None:
    drawn: list[list[float]] = []
    for seed in range(30):
        sleep = Sleepless()
        script: list[str | Exception] = [UnreachableError("busy")] * 9
        say(Metered(ScriptedModel([*script, "Ana"]), limits=Limits(retries=9), sleep=sleep, seed=seed).bound("agent"))
        drawn.append(sleep.waits)
    bounds = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    for waits, bound in zip(zip(*drawn, strict=True), bounds, strict=True):
        assert min(waits) < bound / 2 < max(waits) <= bound
        assert len(set(waits)) == 30


def test_the_server_is_left_alone_for_as_long_as_it_asks() -> None:
    sleep = Sleepless()
    say(Metered(ScriptedModel([UnreachableError("busy", after=7.0), "Ana"]), sleep=sleep).bound("agent"))
    assert len(sleep.waits) == 1
    assert 7.0 <= sleep.waits[0] <= 7.5


def test_who_asks_to_be_left_alone_for_very_long_is_not_waited_for() -> None:
    sleep = Sleepless()
    with pytest.raises(UnreachableError) as away:
        say(Metered(ScriptedModel([UnreachableError("busy", after=3600.0)]), sleep=sleep).bound("agent"))
    assert away.value.after == 3600.0
    assert sleep.waits == []


@pytest.mark.parametrize(
    "error",
    [UnreachableError("wrong key", again=False), ModelReplyError("no reply", raw="<html>"), ModelError("too long")],
    ids=lambda error: type(error).__name__,
)
def test_what_asking_again_cannot_mend_is_raised_at_once(error: ModelError) -> None:
    metered = Metered(ScriptedModel([error]), sleep=Sleepless())
    with pytest.raises(type(error)) as raised:
        say(metered.bound("agent"))
    assert raised.value is error
    assert (only(metered).failures, only(metered).retries) == (1, 0)


def test_a_reply_that_is_none_was_paid_for_and_a_refused_request_was_not() -> None:
    metered = Metered(ScriptedModel([ModelReplyError("no reply", raw="<html>no</html>"), ModelError("too long")]))
    for stage in ("garbage", "refused"):
        with pytest.raises(ModelError):
            say(metered.bound("agent"), stage)
    garbage, refused = metered.usage()
    assert (garbage.reply, garbage.estimated) == (reply_tokens(Reply(text="<html>no</html>")), 1)
    assert garbage.prompt > 0
    assert (refused.prompt, refused.reply, refused.estimated) == (0, 0, 0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("Hello, who are you?"), ModelError),
        (ConnectionResetError(), UnreachableError),
        (TimeoutError(), UnreachableError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_a_models_own_errors_are_model_errors_that_quote_nothing(error: Exception, kind: type[ModelError]) -> None:
    with pytest.raises(kind) as raised:
        say(Metered(ScriptedModel([error]), limits=Limits(retries=0)).bound("agent"))
    assert type(raised.value) is kind
    assert str(raised.value) == f"'scripted' failed: {type(error).__name__}"
    assert raised.value.__cause__ is error


def test_a_models_reply_must_be_a_reply() -> None:
    class Wrong(ScriptedModel):
        async def complete(self, request: Request, /) -> Reply:
            return "Ana"  # type: ignore[return-value]  # that it may be anything is the point

    with pytest.raises(ModelReplyError, match="'scripted' returned a str") as wrong:
        say(Metered(Wrong([])).bound("agent"))
    assert wrong.value.raw == "'Ana'"


def test_a_failed_assertion_in_a_test_model_is_not_taken_for_a_failed_model() -> None:
    def check(request: Request) -> str:
        assert request.options.most == 10
        return "yes"

    with pytest.raises(AssertionError):
        say(Metered(ScriptedModel(check)).bound("agent"))


# --- streams --------------------------------------------------------------------------------------


def test_a_stream_arrives_in_pieces_and_is_counted() -> None:
    metered = Metered(ScriptedModel([TOLD, "I am Ana, and who are you?"]))
    pieces = run(lambda: heard(metered.bound("agent")))
    assert ("".join(piece.text for piece in pieces), pieces[-1].finish) == ("Ana", "stop")
    assert len(run(lambda: heard(metered.bound("agent")))) > 3
    row = only(metered)
    assert (row.calls, row.failures) == (2, 0)
    assert row.prompt > 100


def test_a_stream_is_tried_again_until_its_first_piece() -> None:
    model = Streams([UnreachableError("busy")], [Piece(text="Ana"), Piece(finish="stop")])
    metered = Metered(model, sleep=Sleepless())
    assert [piece.text for piece in run(lambda: heard(metered.bound("agent")))] == ["Ana", ""]
    row = only(metered)
    assert (row.calls, row.failures, row.retries, row.estimated) == (1, 1, 1, 1)
    assert model.closed == 2


def test_a_stream_that_breaks_later_is_not_begun_again() -> None:
    model = Streams([Piece(text="I am "), UnreachableError("connection lost")])
    metered = Metered(model, sleep=Sleepless())
    got: list[str] = []

    async def listen() -> None:
        nonlocal got
        async for piece in metered.bound("agent").stream(HELLO, stage="chat"):
            got += [piece.text]

    with pytest.raises(UnreachableError, match="connection lost; the reply broke off after 5 characters") as lost:
        run(listen)
    assert got == ["I am "]
    assert not lost.value.again
    row = only(metered)
    assert (row.calls, row.failures, row.reply, row.estimated) == (0, 1, reply_tokens(Reply(text="I am ")), 1)


def test_a_stream_without_an_end_was_cut_off() -> None:
    metered = Metered(Streams([Piece(text="I am "), Piece(text="Ana")]))
    with pytest.raises(ModelReplyError, match="broke off") as cut:
        run(lambda: heard(metered.bound("agent")))
    assert cut.value.raw == "I am Ana"
    assert only(metered).reply == reply_tokens(Reply(text="I am Ana"))


def test_a_stream_of_something_else_is_no_reply() -> None:
    metered = Metered(Streams([Piece(text="I am "), "Ana"]))  # type: ignore[list-item]
    with pytest.raises(ModelReplyError, match="streamed a str") as cut:
        run(lambda: heard(metered.bound("agent")))
    assert cut.value.raw == "I am "


def test_a_call_that_would_wait_for_ever_for_the_streams_its_task_reads_is_refused() -> None:
    async def work() -> None:
        def answer(request: Request) -> str:
            return "Hello, it is me."

        llm = Metered(ScriptedModel(answer), limits=Limits(at_once=1)).bound("agent")
        shape = Shape(name="any", schema={"type": "string"}, read=str)
        pieces = llm.stream(HELLO, stage="chat")
        await anext(pieces)
        for call in (
            lambda: llm.complete(HELLO, stage="chat"),
            lambda: anext(llm.stream(HELLO, stage="chat")),
            lambda: llm.ask_all([HELLO], shape, stage="chat"),
        ):
            with pytest.raises(ValueError, match="read the stream to its end first, or close it"):
                async with asyncio.timeout(5):
                    await call()
        other = asyncio.create_task(llm.complete(HELLO, stage="chat"))  # this one waits, and its turn comes
        await asyncio.sleep(0)
        assert not other.done()
        await pieces.aclose()
        assert (await other).text == (await llm.complete(HELLO, stage="chat")).text == "Hello, it is me."

    run(work)


def test_a_loop_that_ends_in_the_middle_of_streams_says_nothing_and_holds_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    llm = Metered(ScriptedModel(lambda request: "One, two, three, four."), limits=Limits(at_once=2)).bound("agent")
    left = []

    async def half() -> None:
        for _ in range(2):
            left.append(llm.stream(HELLO, stage="chat"))
            await anext(left[-1])

    for _ in range(3):
        asyncio.run(half())
    assert say(llm).text == "One, two, three, four."
    assert caplog.text == ""


def test_a_stream_that_another_task_reads_on_is_waited_for() -> None:
    async def work() -> None:
        llm = Metered(ScriptedModel(["One, two, three.", "Four."]), limits=Limits(at_once=1)).bound("agent")
        pieces = llm.stream(HELLO, stage="chat")
        await anext(pieces)

        async def rest() -> None:
            async for _ in pieces:
                pass

        reading = asyncio.create_task(rest())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (await llm.complete(HELLO, stage="chat")).text == "Four."
        await reading

    run(work)


def test_whoever_stops_listening_closes_the_stream() -> None:
    model = Streams([Piece(text="I am "), Piece(text="Ana"), Piece(finish="stop")])
    metered = Metered(model, limits=Limits(at_once=1))

    async def listen() -> None:
        pieces = metered.bound("agent").stream(HELLO, stage="chat")
        async for _ in pieces:
            break
        await pieces.aclose()
        assert model.closed == 1  # now, and not when the garbage is collected

    run(listen)
    row = only(metered)
    assert (row.calls, row.failures, row.reply) == (1, 0, reply_tokens(Reply(text="I am ")))


# --- cancelling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_cancelled_call_is_counted_and_holds_nothing(streamed: bool) -> None:
    model = Held()
    metered = Metered(model, limits=Limits(at_once=1), budget=Budget(calls=3))
    llm = metered.bound("agent")

    async def cancel() -> Reply:
        call = asyncio.create_task(heard(llm)) if streamed else asyncio.create_task(llm.complete(HELLO, stage="chat"))
        queued = asyncio.create_task(llm.complete(HELLO, stage="never"))
        await model.arrived.acquire()
        for task in (queued, call):
            task.cancel()
        for task in (queued, call):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert model.waiting == 0
        model.go.set()
        return await llm.complete(HELLO, stage="chat")

    assert run(cancel).text == "yes"
    row = only(metered)  # the one that was still queued is not in it
    assert (row.calls, row.failures, row.estimated) == (1, 1, 2)


def test_a_wait_before_a_retry_can_be_cancelled() -> None:
    metered = Metered(ScriptedModel([UnreachableError("busy", after=50.0)]))

    async def cancel() -> None:
        async with asyncio.timeout(0.05):
            await metered.bound("agent").complete(HELLO, stage="chat")

    with pytest.raises(TimeoutError):
        run(cancel)
    assert (only(metered).calls, only(metered).failures) == (0, 1)


def test_without_an_event_loop_nothing_is_counted_and_nothing_sent() -> None:
    model = ScriptedModel(["yes"])
    metered = Metered(model)
    llm = metered.bound("agent")
    with pytest.raises(RuntimeError, match="no running event loop"):
        llm.complete(HELLO, stage="chat").send(None)
    with pytest.raises(RuntimeError, match="no running event loop"):
        llm.stream(HELLO, stage="chat").__anext__().__await__().send(None)
    assert metered.usage() == ()
    assert model.requests == []


# --- budgets --------------------------------------------------------------------------------------


def test_a_budget_of_calls_counts_retries() -> None:
    metered = Metered(
        ScriptedModel(["yes", UnreachableError("busy"), "yes"]), budget=Budget(calls=2), sleep=Sleepless()
    )
    say(metered.bound("agent"))
    with pytest.raises(BudgetError, match="the calls past the budget of 2: 2 are used"):
        say(metered.bound("agent"))
    assert (only(metered).calls, only(metered).failures) == (1, 1)


def test_a_budget_of_tokens_is_kept_by_what_a_call_may_take() -> None:
    prompt = prompt_tokens(Request(messages=tuple(HELLO)))
    model = ScriptedModel(["yes"])
    with pytest.raises(BudgetError, match="the tokens past the budget"):
        say(Metered(model, budget=Budget(tokens=prompt + REPLY_ALLOWANCE - 1)).bound("agent"))
    with pytest.raises(BudgetError):
        say(Metered(model, budget=Budget(tokens=prompt + 9)).bound("agent"), options=Options(most=10))
    assert model.requests == []
    assert say(Metered(model, budget=Budget(tokens=prompt + 10)).bound("agent"), options=Options(most=10)).text == "yes"


def test_a_budget_of_cost_is_kept_and_settled_by_what_the_server_tells() -> None:
    metered = Metered(ScriptedModel([TOLD] * 9), prices=PRICES, budget=Budget(cost=0.0005))  # 0.00018 each
    llm = metered.bound("agent")
    options = Options(most=10)
    say(llm, options=options)
    say(llm, options=options)
    with pytest.raises(BudgetError, match=r"the cost past the budget of 0\.0005: 0\.00036 are used"):
        say(llm, options=Options(most=20))
    assert only(metered).calls == 2


def test_a_budget_of_cost_needs_a_price() -> None:
    with pytest.raises(ValueError, match=r"a budget of 5 needs the price of 'scripted'; pass prices="):
        Metered(ScriptedModel([]), budget=Budget(cost=5))


@settings(max_examples=40)
@given(
    st.integers(0, 2_000),
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), min_size=1, max_size=12),
    st.integers(1, 6),
)
def test_calls_at_the_same_time_never_pass_a_budget_together(
    bound: int, calls: list[tuple[int, int]], at_once: int
) -> None:
    """As long as no reply is longer than was said, and the prompt is as long as was estimated."""
    prompt = prompt_tokens(Request(messages=tuple(HELLO)))

    class Exact(ScriptedModel):
        async def complete(self, request: Request, /) -> Reply:
            await asyncio.sleep(0)
            most = request.options.most or 0
            return Reply(text="yes", tokens=Tokens(prompt=prompt, reply=min(most, request.options.seed or 0)))

    price = Price(prompt=3, reply=7)
    metered = Metered(
        Exact([]),
        limits=Limits(at_once=at_once),
        prices={"scripted": price},
        budget=Budget(tokens=bound, cost=bound * 4e-6),
    )

    async def all_together() -> list[Reply | BaseException]:
        llm = metered.bound("agent")
        asked = (llm.complete(HELLO, stage="chat", options=Options(most=most, seed=seed)) for most, seed in calls)
        return await asyncio.gather(*asked, return_exceptions=True)

    found = run(all_together)
    assert all(isinstance(one, Reply | BudgetError) for one in found)
    answered = sum(isinstance(one, Reply) for one in found)
    rows = metered.usage()
    assert sum(row.calls for row in rows) == answered
    assert sum(row.prompt + row.reply for row in rows) <= bound
    assert sum(row.cost or 0 for row in rows) <= bound * 4e-6 * (1 + 1e-6)


def test_what_calls_under_way_may_take_is_held() -> None:
    model = Held(TOLD)
    metered = Metered(model, budget=Budget(tokens=3 * REPLY_ALLOWANCE))
    llm = metered.bound("agent")

    async def three() -> list[Reply]:
        calls = [asyncio.create_task(llm.complete(HELLO, stage="chat")) for _ in range(2)]
        for _ in range(2):
            await model.arrived.acquire()
        with pytest.raises(BudgetError, match="0 are used, calls under way may take"):
            await llm.complete(HELLO, stage="chat")
        model.go.set()
        await asyncio.gather(*calls)
        return [await llm.complete(HELLO, stage="chat")]

    assert run(three) == [TOLD]


# --- the door -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Limits(at_once=0), "at_once is at least 1"),
        (lambda: Limits(retries=-1), "retries and repairs at least 0"),
        (lambda: Limits(timeout=0), "timeout and per_minute are above 0"),
        (lambda: Limits(timeout=float("nan")), "timeout and per_minute are above 0"),
        (lambda: Limits(per_minute=0), "timeout and per_minute are above 0"),
        (lambda: Budget(tokens=-1), "a budget is at least 0"),
        (lambda: Budget(cost=float("nan")), "a budget is at least 0"),
        (lambda: Price(prompt=-1, reply=1), "prices are at least 0"),
        (lambda: Price(prompt=float("nan"), reply=1), "prices are at least 0"),
        (lambda: Price(prompt=1, reply=1, cached=float("inf")), "prices are at least 0"),
    ],
    ids=range(10),
)
def test_a_number_that_cannot_be_is_refused_at_the_door(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_a_mistaken_argument_is_refused_at_the_door() -> None:
    metered = Metered(ScriptedModel([]))
    llm = metered.bound("agent")
    with pytest.raises(TypeError, match="Metered already"):
        Metered(metered)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a sequence of Message"):
        run(lambda: llm.complete("Hello", stage="chat"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one message"):
        run(lambda: llm.complete([], stage="chat"))
    with pytest.raises(TypeError, match="not one str"):
        run(lambda: llm.complete(HELLO, stage="chat", sources="event"))
    assert metered.usage() == ()


def test_closing_reaches_the_model_if_it_can_be_closed() -> None:
    class Connected(ScriptedModel):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    connected = Connected([])
    run(Metered(connected).aclose)
    assert connected.closed
    run(Metered(ScriptedModel([])).aclose)


def test_a_bound_model_is_an_llm_and_costs_little_time() -> None:
    llm: Llm = Metered(ScriptedModel(lambda request: "yes")).bound("agent")
    assert isinstance(llm, Bound)
    assert llm.model == "scripted"

    async def thousand() -> float:
        start = time.perf_counter()
        for _ in range(1000):
            await llm.complete(HELLO, stage="chat")
        return time.perf_counter() - start

    assert run(thousand) < 2.0
