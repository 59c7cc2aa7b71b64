"""What a chat costs around its model, with a long history: a turn through `Chat`, and the bare call of the same model.

    python benchmarks/chat.py [--turns 10000] [--calls 200] [--json benchmarks/results/chat.json]

The model is a server on the loopback interface, in a process of its own, that answers at once: what is measured is the loop.
In turn: a chat whose person takes a moment to read, so that the memory has caught up; a chat whose person does
not; and the `openai` library alone, which streams a reply to what the chat has just sent. Milliseconds from the call to
the end of the reply, which is in the journal by then; `cpu` is what this process works in that time, with all its threads.
`least` is the best of all calls, what it costs when nothing else wants the machine. `overhead` is the difference to the bare
call. `catching up` is what the memory does after a turn while the person reads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

from openai import AsyncOpenAI

import memkit
from memkit.agents import Chat
from memkit.demo.story import chapters
from memkit.evaluation.machine import machine
from memkit.evaluation.timing import percentile
from memkit.messages import Piece, Reply, Request
from memkit.models.openai_chat import OpenAIChat
from memkit.models.openai_wire import body_of
from memkit.ports import Embedder
from memkit.testing.embedders import HashEmbedder
from memkit.testing.scripted import ScriptedModel
from memkit.testing.server import ModelServer

WORDS = 25  # of a turn
REPLY = "That is a good question, and I would like to hear more of it before I answer."
WARM = 20  # turns before any is counted
KEY = "benchmark"

T = TypeVar("T")


class Talk:
    """Turns cut from a book, always the same ones."""

    def __init__(self, seed: int) -> None:
        self._words = " ".join(chapter.text for chapter in chapters()).split()
        self._chance = random.Random(seed)

    def turn(self) -> str:
        start = self._chance.randrange(len(self._words) - WORDS)
        return " ".join(self._words[start : start + WORDS])


async def fill(memory: memkit.AsyncMemory, talk: Talk, turns: int) -> None:
    """So many turns of two, in sessions of 200, the last of them the session of the benchmark."""
    for first in range(0, turns, 1_000):
        await memory.add(
            [
                {
                    "content": talk.turn(),
                    "role": "assistant" if n % 2 else "user",
                    "author": None if n % 2 else "Ana",
                    "session": "now" if n >= turns - 200 else f"session {n // 200}",
                }
                for n in range(first, min(first + 1_000, turns))
            ]
        )
    await memory.sync()


class Seen:
    """A chat model that keeps what it was asked last."""

    def __init__(self, inner: OpenAIChat) -> None:
        self._inner = inner
        self.last: Request | None = None

    @property
    def model(self) -> str:
        return self._inner.model

    async def complete(self, request: Request, /) -> Reply:
        self.last = request
        return await self._inner.complete(request)

    def stream(self, request: Request, /) -> AsyncIterator[Piece]:
        self.last = request
        return self._inner.stream(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass
class Times:
    """Seconds of each call: wall time, and CPU time of all threads."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    async def of(self, work: Callable[[], Awaitable[T]]) -> T:
        """What the work returns."""
        started, spent = time.perf_counter(), time.process_time()
        result = await work()
        self.wall.append(time.perf_counter() - started)
        self.cpu.append(time.process_time() - spent)
        return result

    def told(self) -> dict[str, float]:
        return {
            "least_ms": ms(min(self.wall)),
            "p50_ms": ms(percentile(self.wall, 50)),
            "p95_ms": ms(percentile(self.wall, 95)),
            "cpu_p50_ms": ms(median(self.cpu)),
            "cpu_least_ms": ms(min(self.cpu)),
        }


async def measure(url: str, *, turns: int, calls: int, embedder: Embedder | None) -> dict[str, object]:
    """One memory on disk, filled, and the three ways in turn."""
    talk, model = Talk(1), Seen(OpenAIChat("any", base_url=url, api_key=KEY))
    client = AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0)
    times = {name: Times() for name in ("bare", "chat", "catching up", "chat at once")}
    stages: dict[str, list[float]] = {}

    async def bare() -> None:
        assert model.last is not None
        body = body_of("any", model.last, length="max_tokens") | {"stream_options": {"include_usage": True}}
        async for _ in await client.chat.completions.create(**body, stream=True):
            pass

    with tempfile.TemporaryDirectory(prefix="memkit-chat-") as folder:
        async with await memkit.open_async(Path(folder) / "chat.db", embedder=embedder, llm=model) as memory:
            mine = memory["ana"]
            await fill(mine, talk, turns)
            chat = Chat(mine, session="now")
            for number in range(WARM + calls):
                if number == WARM:
                    times, stages = {name: Times() for name in times}, {}
                answer = await times["chat"].of(lambda: chat.reply(talk.turn(), author="Ana"))
                for stage, seconds in answer.seconds.items():
                    stages.setdefault(stage, []).append(seconds)
                await times["catching up"].of(chat.settled)
                await chat.reply(talk.turn(), author="Ana")  # not counted: it leaves the memory with something to do
                await times["chat at once"].of(lambda: chat.reply(talk.turn(), author="Ana"))
                await chat.settled()
                await times["bare"].of(bare)
    await client.close()
    told = {name: measured.told() for name, measured in times.items()}
    return {
        "times": told,
        **{
            f"overhead, {name}": {unit: round(told[name][unit] - told["bare"][unit], 3) for unit in told["bare"]}
            for name in ("chat", "chat at once")
        },
        "stages_p50_ms": {name: ms(median(measured)) for name, measured in stages.items()},
    }


def ms(seconds: float) -> float:
    return round(1e3 * seconds, 3)


def serve() -> None:
    """Answer until standard input is closed."""
    with ModelServer(model=ScriptedModel(lambda request: REPLY), key=KEY) as server:
        print(server.url, flush=True)
        sys.stdin.read()


def main() -> None:
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("--turns", type=int, default=10_000, help="turns in the history")
    reading.add_argument("--calls", type=int, default=200, help="turns that are measured")
    reading.add_argument("--json", type=Path, help="a file to write the result to")
    reading.add_argument("--serve", action="store_true", help="be the server")
    given = reading.parse_args()
    if given.serve:
        serve()
        return
    report: dict[str, object] = {
        "machine": machine(),
        "settings": {"turns": given.turns, "calls": given.calls, "words": WORDS},
    }
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        for name, embedder in (("words", None), ("words and meaning", HashEmbedder())):
            print(name, file=sys.stderr, flush=True)
            work = measure(url, turns=given.turns, calls=given.calls, embedder=embedder)
            report[name] = asyncio.run(work)
        server.communicate()
    print(json.dumps(report, indent=1))
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
