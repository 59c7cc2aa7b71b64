"""What a chat model does while a question is answered: it names the question's entities (HippoRAG 1), or looks at the facts
that the question was linked to, and keeps those that help (HippoRAG 2's recognition memory)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memkit.components.hipporag import prompts
from memkit.components.hipporag.reading import ENTITIES
from memkit.errors import ModelError
from memkit.messages import Options, Shape
from memkit.ports import Llm
from memkit.values import Fact, Json

MOST = 4  # facts that are kept, as in HippoRAG 2's prompt
TOKENS = 512  # of a reply, as in its code


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a model kept: the places of the facts among those offered, the most helpful first; perhaps none. When it gave
    nothing that can be used, `trouble` says why, and `kept` is empty."""

    kept: tuple[int, ...] = ()
    trouble: str | None = None


async def recognised(question: str, facts: Sequence[Fact], llm: Llm, *, most: int = MOST) -> Recognised:
    """Ask the model which of the facts help. It names them by number, so that it can only keep what was offered."""
    if not facts:
        return Recognised()
    messages = prompts.recognise(question, [fact.told for fact in facts], most)
    try:
        kept = await llm.ask(
            messages,
            _shape(len(facts), most),
            stage="recognition",
            options=Options(temperature=0, most=TOKENS),
        )
    except ModelError as error:
        return Recognised(trouble=_told(error))
    return Recognised(kept)


@dataclass(frozen=True, slots=True)
class Named:
    """The named entities of a question. When the model gave nothing that can be used, `trouble` says why."""

    names: tuple[str, ...] = ()
    trouble: str | None = None


async def named(question: str, llm: Llm) -> Named:
    """Ask the model for the named entities of the question."""
    try:
        names = await llm.ask(
            prompts.named(question), ENTITIES, stage="question", options=Options(temperature=0, most=TOKENS)
        )
    except ModelError as error:
        return Named(trouble=_told(error))
    return Named(names)


def _told(error: ModelError) -> str:
    return f"{type(error).__name__}: {error}"


def _shape(offered: int, most: int) -> Shape[tuple[int, ...]]:
    schema: Mapping[str, Json] = {
        "type": "object",
        "properties": {"facts": {"type": "array", "items": {"type": "integer"}}},
        "required": ["facts"],
        "additionalProperties": False,
    }

    def read(reply: Json) -> tuple[int, ...]:
        named = reply.get("facts") if isinstance(reply, dict) else None
        if not isinstance(named, list):
            raise ValueError('the reply must be an object with a list "facts"')
        numbers = list(dict.fromkeys(n for n in named if isinstance(n, int) and not isinstance(n, bool)))
        kept = [n - 1 for n in numbers if 1 <= n <= offered]
        if named and not kept:
            raise ValueError(f'"facts" must be numbers from 1 to {offered}, or an empty list')
        return tuple(kept[:most])

    return Shape(name="facts", schema=schema, read=read)
