"""A chat that is killed, and the nursery that such chats are born in.

Run as a script this is the nursery: it imports memkit once, reads lives from standard input, forks a process for
each, and answers with how it ended. A life opens the memory, takes up the talk where the diary says that it was, and
is killed at its point: before or after something goes into the journal, within a stream, or as SQLite begins a statement.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import memkit
from memkit.agents import Chat
from memkit.messages import Piece
from memkit.models.openai_chat import OpenAIChat
from tests.crash.life import Diary, die_at

SESSION = "talk"
SCRIPT = Path(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One process to be. It says messages up to number `last`. It is killed at its point of that number, or as it begins its
    SQL statement of that number; with neither it lives to the end. `resumes`: whether it answers what is pending first, or
    sends it again."""

    where: str
    url: str
    diary: str
    last: int
    points: int = 0
    statements: int = 0
    resumes: bool = True


class Points:
    """Counts what happens, and ends the process at one of the times."""

    def __init__(self, fatal: int) -> None:
        self._left = fatal

    def passed(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """A memory or a model, with a point before and after everything that goes into the journal, and at every piece."""

    def __init__(self, inner: Any, points: Points) -> None:
        self._inner = inner
        self._points = points

    async def add(self, *what: Any, **more: Any) -> Any:
        self._points.passed()
        receipt = await self._inner.add(*what, **more)
        self._points.passed()
        return receipt

    async def stream(self, *what: Any, **more: Any) -> AsyncIterator[Piece]:
        async for piece in self._inner.stream(*what, **more):
            self._points.passed()
            yield piece
        self._points.passed()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def message(number: int) -> str:
    """What is said; every third time the model uses its tools."""
    return f"message {number}" + (f" remember fact {number}" if number % 3 == 0 else "")


async def live(life: Life, done: int) -> None:
    """Say what is still to be said, when so many messages have their replies."""
    diary, points = Diary(life.diary), Points(life.points)
    memory = await memkit.open_async(life.where, llm=OpenAIChat("any", base_url=life.url, api_key="test-key"))
    watched: Any = Watched(memory["ana"], points)
    chat = Chat(watched, session=SESSION, llm=Watched(memory["ana"].llm, points))  # type: ignore[arg-type]
    if life.resumes:
        await chat.resume()
    for number in range(done, life.last):
        said = False
        async for _ in chat.say(message(number), author="Ana", key=str(number)):
            if not said:
                diary.write("heard", number=number)
                said = True
        diary.write("done", number=number)
    await chat.settled()
    await memory.close()


def bear(life: Life) -> str:
    """Live it in a process of its own; "killed", "ended" or "failed"."""
    child = os.fork()
    if not child:
        status = 1
        try:
            if life.statements:
                die_at(life.statements)
            done = Path(life.diary).read_text().count('"done"')
            asyncio.run(live(life, done))
            status = 0
        except BaseException as e:
            Diary(life.diary).write("error", error=f"{type(e).__name__}: {e}")
            raise
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed" if os.WTERMSIG(status) == signal.SIGKILL else "failed"
    return "failed" if os.WEXITSTATUS(status) else "ended"


def to_line(life: Life) -> str:
    """A life as the nursery reads it."""
    return json.dumps(asdict(life)) + "\n"


def main() -> None:
    memkit.open(":memory:", llm=OpenAIChat("any", api_key="test-key")).close()  # what is imported late is there now
    for line in sys.stdin:
        print(bear(Life(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
