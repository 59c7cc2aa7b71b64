"""What the tests of chats share: a memory whose model follows a script."""

import asyncio
from collections.abc import Awaitable, Callable

import memkit
from memkit import AsyncMemory
from memkit.messages import Reply, ToolCall
from memkit.models.metered import Limits, Metered
from memkit.testing.scripted import Script, ScriptedModel
from memkit.values import Event

Work = Callable[[AsyncMemory, ScriptedModel], Awaitable[None]]


def talk(script: Script, work: Work) -> ScriptedModel:
    """Run the work with a memory whose model answers from the script, without a second attempt."""
    model = ScriptedModel(script)

    async def run() -> None:
        memory = await memkit.open_async(":memory:", llm=Metered(model, limits=Limits(retries=0)))
        try:
            await work(memory["ana"], model)
        finally:
            await memory.close()

    asyncio.run(run())
    return model


def calling(*calls: tuple[str, str], text: str = "") -> Reply:
    """A reply that asks for tools, each a name and its arguments as the model wrote them."""
    asked = tuple(ToolCall(id=f"c{n}", name=name, arguments=given) for n, (name, given) in enumerate(calls))
    return Reply(text=text, calls=asked, finish="calls")


def texts(events: list[Event]) -> list[tuple[str | None, str]]:
    return [(event.role, event.text) for event in events]
