"""What was true when: facts with their intervals, made of statements.

Nothing here is stored. Facts are made when somebody reads, from the rows that are in scope then, so that forgetting a
statement brings back what it had replaced, and asking `as_of` a moment leaves out what was recorded later.

Which of two statements is the later one:

1. A statement has a moment. Where the event's time was given (`at` differs from `recorded`), it is that time. Where it was not,
   it is the latest `recorded` among the statements about the same key so far, in the order of the journal: a clock that was
   set back makes nothing older.
2. The statement with the later moment is the later one; at one moment, the one that is later in the journal.

What a later statement does to the facts of its key (one head, and relations that may contradict each other):

- The same tail again is the same fact. A person's repetition belongs to it; an assistant's, or a tool's, is an echo.
- Another tail of a relation that has one at a time takes the place of those before it.
- An opposite relation with the same tail (likes, dislikes) does so too.
- An ending ends the fact with its tail.
- An assistant's statement never replaces or ends what a person said. Against a person's current fact it counts for nothing.
- An assistant's statement in the words of an earlier one, about whatever, or of a tail that was ever said of the key, is an echo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from memkit.components.think_in_memory import thoughts
from memkit.components.think_in_memory.relations import canonical, content, opposites, tail_key
from memkit.values import Record

Said = tuple[str, str]  # a relation and a tail, canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A relation that held from `since` (inclusive) until `until` (exclusive; None: it still does).

    `records` are the statements that told it, the first one first; `echoes` those that only repeated it.
    `superseded_by` is the statement of what took its place, `ended_by` the one that said it holds no longer. `instead_of`
    are first statements of the facts whose place it took.
    """

    head: str
    relation: str
    tail: str
    since: datetime
    until: datetime | None = None
    records: tuple[Record, ...]
    echoes: tuple[Record, ...] = ()
    instead_of: tuple[Record, ...] = ()
    superseded_by: Record | None = None
    ended_by: Record | None = None

    @property
    def current(self) -> bool:
        """Whether nothing said that it holds no longer."""
        return self.until is None

    @property
    def by_user(self) -> bool:
        """Whether a person told it."""
        return thoughts.by_user(self.records[0])


def timeline(records: Sequence[Record]) -> list[Fact]:
    """All facts that the statements among these rows tell, by the moment since which they hold.

    The rows are in the order of the journal, as a shelf has them; rows that are no statements are passed over. What
    rows about another key say changes nothing about a key, except which statements are echoes of the same words.
    """
    stated = [row for row in records if row.kind in (thoughts.THOUGHT, thoughts.ENDING)]
    echoes = _echoes(stated)
    by_key: dict[tuple[str, thoughts.Key], list[tuple[int, Record]]] = {}
    for place, row in enumerate(stated):
        key = thoughts.key_of(thoughts.field(row, "head"), thoughts.field(row, "relation"))
        by_key.setdefault((row.namespace, key), []).append((place, row))
    facts = [fact for statements in by_key.values() for fact in _History(echoes).told(statements)]
    return sorted(facts, key=lambda fact: fact.since)


def in_order(statements: Sequence[tuple[int, Record]]) -> list[tuple[datetime, int, Record]]:
    """The statements of one key, given in the order of the journal with their places, by moment: see the module."""
    clock: datetime | None = None
    timed: list[tuple[datetime, int, Record]] = []
    for place, row in statements:
        clock = row.recorded if clock is None else max(clock, row.recorded)
        timed.append((row.at if row.at != row.recorded else clock, place, row))
    return sorted(timed, key=lambda one: one[:2])


def _echoes(stated: Sequence[Record]) -> set[int]:
    """Places of statements not by a person whose words somebody had said before in the journal."""
    known: set[tuple[str, str]] = set()
    found: set[int] = set()
    for place, row in enumerate(stated):
        words = (row.namespace, thoughts.field(row, "said"))
        if words in known and not thoughts.by_user(row):
            found.add(place)
        known.add(words)
    return found


@dataclass(slots=True)
class _History:
    """The facts of one key while its statements are gone through. `last` has the last fact of each relation and tail by
    its place in `facts`, `held` the same of those that hold: there may be thousands of tails."""

    echoed: set[int]
    facts: list[Fact] = field(default_factory=list)
    last: dict[Said, int] = field(default_factory=dict)
    held: dict[Said, int] = field(default_factory=dict)

    def told(self, statements: Sequence[tuple[int, Record]]) -> list[Fact]:
        seen: set[Said] = set()
        for since, place, row in in_order(statements):
            said = (_relation(row), tail_key(_tail(row)))
            echo = not thoughts.by_user(row) and (place in self.echoed or (said in seen and not _ends(row)))
            seen.add(said)
            if echo:
                self._note(row, said)
            elif _ends(row):
                self._end(row, said, since)
            else:
                self._state(row, said, since)
        return self.facts

    def _note(self, row: Record, said: Said) -> None:
        """An echo is counted where the fact is, and changes nothing."""
        if said in self.last:
            fact = self.facts[self.last[said]]
            self.facts[self.last[said]] = replace(fact, echoes=(*fact.echoes, row))

    def _end(self, row: Record, said: Said, since: datetime) -> None:
        words = content(said[1])
        for other, n in list(self.held.items()):
            fact = self.facts[n]
            if other[0] == said[0] and _may(row, fact) and _same(other[1], said[1], words):
                self.facts[n] = replace(fact, until=since, ended_by=row)
                del self.held[other]

    def _state(self, row: Record, said: Said, since: datetime) -> None:
        if said in self.held:
            fact = self.facts[self.held[said]]
            if thoughts.by_user(row) and not fact.by_user:  # the person's word counts, and from when it was given
                echoes = (*fact.records, *fact.echoes)
                fact = replace(fact, since=since, records=(row,), echoes=echoes, tail=_tail(row))
            else:
                fact = replace(fact, records=(*fact.records, row))
            self.facts[self.held[said]] = fact
            return
        against = self._against(row, said)
        if any(not _may(row, self.facts[self.held[other]]) for other in against):
            return
        instead = tuple(self.facts[self.held[other]].records[0] for other in against)
        for other in against:
            n = self.held.pop(other)
            self.facts[n] = replace(self.facts[n], until=since, superseded_by=row)
        self.last[said] = self.held[said] = len(self.facts)
        self.facts.append(
            Fact(
                head=thoughts.field(row, "head"),
                relation=said[0],
                tail=_tail(row),
                since=since,
                records=(row,),
                instead_of=instead,
            )
        )

    def _against(self, row: Record, said: Said) -> list[Said]:
        """What cannot be beside it: another tail where there is one at a time, or an opposite relation with its tail."""
        relation, tail = said
        opposite = [(other, tail) for other in opposites(relation) if (other, tail) in self.held]
        if row.metadata.get("single") is True:
            return [*(other for other in self.held if other[0] == relation), *opposite]
        return opposite


def _relation(row: Record) -> str:
    return canonical(thoughts.field(row, "relation"))


def _tail(row: Record) -> str:
    return thoughts.field(row, "tail")


def _ends(row: Record) -> bool:
    return row.kind == thoughts.ENDING


def _may(row: Record, fact: Fact) -> bool:
    return thoughts.by_user(row) or not fact.by_user


def _same(tail: str, ended: str, words: frozenset[str]) -> bool:
    """Whether an ending that names `ended`, whose words are given, is about this tail: the same, or one that has all the
    words."""
    return tail == ended or (bool(words) and words <= content(tail))
