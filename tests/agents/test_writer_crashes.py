"""A writer may die at any point: another one goes on, and the story becomes what it would have been."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from memkit import UnreachableError
from memkit.agents import AgentWrite, SimulatedHuman, Writer, write
from memkit.messages import Request
from memkit.models import Limits, Metered
from memkit.testing.scripted import ScriptedModel
from tests.agents.novelist import novelist, opened

STEPS = 8
ROOT = Path(__file__).parents[2]
CHILD = """
import asyncio, os, signal, sys
from sqlalchemy import Engine, event
from memkit.agents import SimulatedHuman, Writer, write
from memkit.testing.scripted import ScriptedModel
from tests.agents.novelist import novelist, opened
where, statement, human = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "human"
begun = 0
def count(*_):
    global begun
    begun += 1
    if begun == statement:
        os.kill(os.getpid(), signal.SIGKILL)
async def main():
    async with await opened(where, ScriptedModel(novelist)) as memory:
        event.listen(Engine, "before_cursor_execute", count)
        writer = Writer(memory, "lamp")
        await writer.begin("a mystery")
        while (await writer.state()).step < 10:
            await write(writer, 1, human=SimulatedHuman(writer.llm) if human else None)
asyncio.run(main())
"""


def whole(where: object, *, human: bool) -> tuple[str, list[tuple[str, str]]]:
    """The story as it is when nobody dies, with its events."""

    async def main() -> tuple[str, list[tuple[str, str]]]:
        async with await opened(where, ScriptedModel(novelist)) as memory:
            writer = Writer(memory, "lamp")
            await writer.begin("a mystery")
            while (await writer.state()).step < 10:
                await write(writer, 1, human=SimulatedHuman(writer.llm) if human else None)
            assert await memory["lamp/drafts"].history() == []
            return await writer.export(), [(event.kind, event.text) for event in await memory["lamp"].history()]

    return asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("human", [False, True], ids=["unattended", "with a simulated human"])
def test_a_writer_killed_at_any_statement_goes_on_with_nothing_lost_and_nothing_twice(
    tmp_path: Path, human: bool
) -> None:
    where = tmp_path / "a.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "stores", ROOT / "kernels")))}
    kills = 0
    for statement in (3, 17, 29, 41, 55, 68, 83, 99, 10_000_000):
        words = [sys.executable, "-c", CHILD, str(where), str(statement), "human" if human else "nobody"]
        done = subprocess.run(words, env=environment, timeout=120, capture_output=True, text=True, check=False)
        kills += done.returncode == -signal.SIGKILL
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert kills >= 4
    assert whole(where, human=human) == whole(":memory:", human=human)


@pytest.mark.parametrize("human", [False, True], ids=["unattended", "with a simulated human"])
def test_a_model_that_fails_at_any_call_changes_nothing(tmp_path: Path, human: bool) -> None:
    calls = 0

    def failing(request: Request) -> str:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise UnreachableError("gone", again=False)
        return novelist(request)

    async def main() -> int:
        failures = 0
        model = Metered(ScriptedModel(failing), limits=Limits(retries=0))
        async with await opened(tmp_path / "a.db", ScriptedModel([])) as memory:
            for _ in range(200):
                writer = Writer(memory, "lamp", llm=model.bound("test"))
                await writer.begin("a mystery")
                if (await writer.state()).step == 10:
                    break
                before = len(await memory["lamp"].history())
                try:
                    await write(writer, 1, human=SimulatedHuman(writer.llm) if human else None)
                except UnreachableError:
                    failures += 1
                    assert len(await memory["lamp"].history()) - before <= 1  # the choice, at most
        return failures

    assert asyncio.run(main()) >= STEPS
    assert whole(tmp_path / "a.db", human=human) == whole(":memory:", human=human)


def test_agent_write_goes_on_behind_the_last_part_that_was_written(tmp_path: Path) -> None:
    async def parts(model: ScriptedModel, steps: int | None) -> str:
        async with await opened(tmp_path / "a.db", model) as memory:
            writer = Writer(memory, "guide", strategy=AgentWrite())
            await writer.begin("Write 1,000 words about lighthouses.")
            await write(writer, steps)
            return await writer.export()

    first, second = ScriptedModel(novelist), ScriptedModel(novelist)
    asyncio.run(parts(first, 3))
    text = asyncio.run(parts(second, None))
    assert (len(first.requests), len(second.requests)) == (3, 3)
    assert text == "\n".join(novelist(request) + "\n" for request in (first.requests + second.requests)[1:])
