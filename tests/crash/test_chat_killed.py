"""A chat killed at any point of a turn goes on after a restart, with nothing lost and nothing told twice."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import memkit
from memkit.messages import Reply, Request, ToolCall
from memkit.testing.scripted import ScriptedModel
from memkit.testing.server import ModelServer
from tests.crash.chat_life import SCRIPT, SESSION, Life, message, to_line
from tests.crash.rounds import surroundings

LIVES = 9  # of each seed, before the last
EACH = 2  # messages that a life has time for, and those that were left to it
MESSAGES = LIVES * EACH

Bear = Callable[[Life], str]


def answer(request: Request) -> Reply:
    """Two rounds of tools for a message that asks for them, then a reply."""
    place = max(n for n, message in enumerate(request.messages) if message.role == "user")
    said, rounds = request.messages[place].content, sum(bool(m.calls) for m in request.messages[place:])
    if "remember" in said and request.options.tools and rounds < 2:
        fact = re.findall("fact [0-9]+", said)[0]
        calls = [("remember", f'{{"text": "{fact} is known"}}'), ("recall", '{"query": "fact"}')][rounds:]
        return Reply(
            text="One moment." if rounds == 0 else "",
            calls=tuple(ToolCall(id=f"c{n}", name=name, arguments=given) for n, (name, given) in enumerate(calls)),
            finish="calls",
        )
    return Reply(text=f"This is the reply to {said}, whole and in several pieces.")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ModelServer(model=ScriptedModel(answer)) as server:
        yield server.url


@pytest.fixture(scope="module")
def bear() -> Iterator[Bear]:
    environment = surroundings()
    environment["PYTHONPATH"] += f":{SCRIPT.parents[2]}"
    with subprocess.Popen(
        [sys.executable, str(SCRIPT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as nursery:

        def live(life: Life) -> str:
            assert nursery.stdin is not None
            assert nursery.stdout is not None
            nursery.stdin.write(to_line(life))
            nursery.stdin.flush()
            return nursery.stdout.readline().strip()

        yield live


def wrong(where: str, heard: set[int]) -> list[str]:
    """What is wrong with the journal and the rows after all is said."""
    with memkit.open(where) as memory:
        events = memory["ana"].history(session=SESSION)
        memory["ana"].recall("anything")
        rows = Counter(source.event for row in memory["ana"].records() for source in row.sources)
    turns = [event for event in events if event.kind == "turn"]
    told: list[str] = []
    if heard != set(range(MESSAGES)):
        told.append(f"not all was said: {sorted(heard)}")
    expected = [text for n in range(MESSAGES) for text in (message(n), f"This is the reply to {message(n)}")]
    found = [event.text.removeprefix("One moment.").strip().partition(",")[0] for event in turns]
    if found != expected:
        told.append(f"the talk is {found}")
    replied = Counter(event.metadata["turn"] for event in turns if event.role == "assistant")
    told += [f"{count} replies to one turn" for count in replied.values() if count != 1]
    facts = [event.text for event in events if event.kind == "note"]
    if facts != [f"fact {n} is known" for n in range(0, MESSAGES, 3)]:
        told.append(f"the facts are {facts}")
    for kind, each in (("call", 2), ("result", 3)):
        steps = Counter(event.metadata["turn"] for event in events if event.kind == kind)
        if list(steps.values()) != [each] * (MESSAGES // 3):
            told.append(f"{kind}s: {list(steps.values())}")
    remembered = {event.id for event in events if event.kind in ("turn", "note")}
    if rows != dict.fromkeys(remembered, 1):
        told.append(f"rows: {len(rows)} events with a row, {len(remembered)} to remember, {rows.most_common(1)}")
    return told


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_killed_chat_goes_on_with_nothing_lost_and_nothing_told_twice(
    bear: Bear, url: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    diary = tmp_path / "diary"
    diary.touch()
    where, ends = str(tmp_path / "memory.db"), Counter[str]()
    for number in range(1, LIVES + 1):
        by_point = chance.random() < 0.6
        life = Life(
            where=where,
            url=url,
            diary=str(diary),
            last=number * EACH,
            points=chance.randrange(1, 24) if by_point else 0,
            statements=0 if by_point else chance.randrange(1, 90),
            resumes=chance.random() < 0.5,
        )
        ends[bear(life)] += 1
    assert ends["failed"] == 0, diary.read_text()
    assert ends["killed"] >= 0.8 * LIVES
    assert bear(Life(where=where, url=url, diary=str(diary), last=MESSAGES)) == "ended"
    heard = {int(n) for n in re.findall(r'"heard", "number": (\d+)', diary.read_text())}
    assert wrong(where, heard) == []
