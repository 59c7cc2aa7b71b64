"""What a process does with a memory until it is killed, and the nursery that such processes are born in.

Run as a script this is the nursery: it imports memkit once, reads rounds from standard input, forks a process for each
life, kills them at their time, and answers each round with a line. A life writes into its diary before and
after every call: what was acknowledged is known even when the process is gone.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Engine, event

import memkit
from memkit.testing.embedders import HashEmbedder

NAMESPACES = ("ana", "acme/bob")
SHARED_KEYS = 40
DIMENSION = 16
LONGEST = 6.0  # seconds after which a life ends anyhow
_FILLING = "the a river garden whale station kettle letter winter orange that was often seen beside".split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One process to be. It is killed after `seconds`, or as it begins its SQL statement number `statements`."""

    where: str
    kind: str  # "talking" or "reembedding"
    seed: int
    diary: str
    durability: str = "disk"
    embeds: bool = True
    seconds: float = LONGEST
    statements: int = 0


class Diary:
    """Lines of JSON in a file. A line is written with one call, so a killed process leaves whole lines."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, what: str, **fields: object) -> None:
        os.write(self._file, json.dumps({"what": what, **fields}).encode() + b"\n")


class Talker:
    """Adds, recalls and forgets in random order. Every text holds a word that no other text has."""

    def __init__(self, memory: memkit.Memory, diary: Diary, chance: random.Random, name: str) -> None:
        self._memory = memory
        self._diary = diary
        self._chance = chance
        self._name = name
        self._made = 0
        self.kept: dict[str, tuple[str, str]] = {}  # event id → its namespace, its text

    def on(self, memory: memkit.Memory) -> None:
        """Go on with the same database, opened again."""
        self._memory = memory

    def act(self) -> None:
        """One call."""
        verb = self._chance.choices(
            (self.add_one, self.add_many, self.add_known, self.recall, self.forget), (5, 3, 2, 4, 2)
        )[0]
        verb()

    def add_one(self) -> None:
        self._add([self._message()], one=True)

    def add_many(self) -> None:
        self._add([self._message() for _ in range(self._chance.randrange(2, 40))])

    def add_known(self) -> None:
        """Events that every life adds under the same keys: whoever is first stores them."""
        first = self._chance.randrange(SHARED_KEYS)
        numbers = range(first, min(SHARED_KEYS, first + self._chance.randrange(1, 6)))
        self._add([{"content": f"shared{n}word is known to all", "key": f"key {n}"} for n in numbers], namespace="ana")

    def recall(self) -> None:
        """What was acknowledged is found straight away."""
        if not self.kept:
            return
        id = self._chance.choice(list(self.kept))
        namespace, text = self.kept[id]
        found = self._memory.recall(text, namespace=namespace, k=3, floor=0)
        if id not in {event for hit in found for event in hit.events}:
            self._diary.write("lost", id=id, text=text)

    def forget(self) -> None:
        """Some events by id, of one namespace."""
        namespace = self._chance.choice(NAMESPACES)
        mine = [id for id, (where, _) in self.kept.items() if where == namespace]
        chosen = self._chance.sample(mine, min(len(mine), self._chance.randrange(1, 10)))
        if not chosen:
            return
        self._diary.write("forget", ids=chosen)
        gone = self._memory.forget(ids=chosen, namespace=namespace).events
        for id in chosen:
            del self.kept[id]
        self._diary.write("forgotten", count=gone)

    def _message(self) -> dict[str, object]:
        self._made += 1
        word = f"word{self._name}n{self._made}e"
        filling = " ".join(self._chance.choices(_FILLING, k=self._chance.randrange(3, 30)))
        return {
            "content": f"{word} {filling}. {word} ends here.",
            "role": self._chance.choice(("user", "assistant")),
            "session": f"session {self._chance.randrange(3)}",
            "metadata": {"n": self._made},
        }

    def _add(self, messages: list[dict[str, object]], *, one: bool = False, namespace: str | None = None) -> None:
        namespace = namespace or self._chance.choice(NAMESPACES)
        texts = [str(message["content"]) for message in messages]
        self._diary.write("add", namespace=namespace, texts=texts)
        receipt = self._memory.add(messages[0] if one else messages, namespace=namespace)
        self._diary.write("added", ids=receipt.ids)
        if not texts[0].startswith("shared"):
            self.kept.update({id: (namespace, text) for id, text in zip(receipt.ids, texts, strict=True)})


def embedder(number: int) -> HashEmbedder:
    """The embedders that memories are switched between."""
    return HashEmbedder(DIMENSION, seed=number)


def talk(life: Life, diary: Diary, chance: random.Random) -> None:
    """Open, act a while, close, again and again."""
    talker: Talker | None = None
    number = 0
    while True:
        try:
            using = embedder(number) if life.embeds else None
            with memkit.open(life.where, embedder=using, durability=life.durability) as memory:
                if talker is None:
                    talker = Talker(memory, diary, chance, str(life.seed))
                talker.on(memory)
                for _ in range(chance.randrange(5, 40)):
                    talker.act()
        except memkit.SpaceError:
            number = 1 - number  # somebody has switched the embedder


def reembed(life: Life, diary: Diary, chance: random.Random) -> None:
    """Switch the embedder to and fro."""
    while True:
        for number in (1, 0):
            try:
                memkit.reembed(life.where, embedder(number), discard=chance.random() < 0.3)
            except memkit.SpaceError:
                diary.write("refused")  # others added in the meantime
            else:
                diary.write("reembedded", number=number)


def live(life: Life) -> None:
    """Until killed, or until something raises what it should not."""
    diary = Diary(life.diary)
    if life.statements:
        die_at(life.statements)
    try:
        (talk if life.kind == "talking" else reembed)(life, diary, random.Random(life.seed))
    except BaseException as e:
        diary.write("error", error=f"{type(e).__name__}: {e}")
        raise


def die_at(statement: int) -> None:
    """Kill this process as SQLite begins its SQL statement of that number, counted over all connections. A statement that
    is repeated, as for every row of a batch, counts twice: its first row, and its second, when it is half done."""
    left = statement
    last = ""
    repeated = 0

    def count(sql: str) -> None:
        nonlocal left, last, repeated
        repeated = repeated + 1 if sql[:20] == last else 0
        last = sql[:20]
        left -= repeated < 2
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(Engine, "connect")
    def trace(connection: sqlite3.Connection, _: object) -> None:
        connection.set_trace_callback(count)


def bear(life: Life) -> int:
    """The process id of a new process that lives it."""
    child = os.fork()
    if child:
        return child
    try:
        live(life)
    finally:
        os._exit(1)


def raise_and_bury(lives: list[Life]) -> int:
    """Let them all live at the same time, kill each at its time; return how many were killed."""
    born = time.monotonic()
    ends = {bear(life): life.seconds for life in lives}
    killed = 0
    while ends:
        for child in [child for child, seconds in ends.items() if time.monotonic() - born >= seconds]:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)
        for child in list(ends):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                del ends[child]
                killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return killed


def main() -> None:
    memkit.open(":memory:", embedder=embedder(0)).close()  # everything that is imported late is there now
    for line in sys.stdin:
        lives = [Life(**fields) for fields in json.loads(line)]
        print(raise_and_bury(lives), flush=True)


def to_line(lives: list[Life]) -> str:
    """A round as the nursery reads it."""
    return json.dumps([asdict(life) for life in lives]) + "\n"


SCRIPT = Path(__file__)

if __name__ == "__main__":
    main()
