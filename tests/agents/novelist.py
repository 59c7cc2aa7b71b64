"""A model that writes novels: what it answers depends on nothing but what it is asked, so a run can be repeated."""

from __future__ import annotations

import json
import random
import re

import memkit
from memkit import RecurrentGPT
from memkit.messages import Request
from memkit.testing.embedders import HashEmbedder
from memkit.testing.scripted import ScriptedModel
from memkit.values import Json

WHO = "Mara|the pilot|old Tobias|the twins|the harbour master|a stranger".split("|")
WHAT = "opens|mends|hides|counts|follows|forgets|sells|remembers".split("|")
THING = "the lamp|the map|a blue door|the radio|an empty boat|the letter|the tide table|a brass key".split("|")


def sentences(chance: random.Random, count: int) -> str:
    return " ".join(
        f"{chance.choice(WHO).capitalize()} {chance.choice(WHAT)} {chance.choice(THING)} {chance.randint(2, 999)} times."
        for _ in range(count)
    )


def novelist(request: Request) -> str:
    """A well-formed reply to any of the writer's questions."""
    asked = "\n".join(message.content for message in request.messages)
    chance = random.Random(asked)
    plans: Json = [sentences(chance, 5) for _ in range(3)]
    memory = sentences(chance, 12)
    replies: dict[str, Json] = {
        "opening": {
            "title": "The Lamp",
            "outline": sentences(chance, 3),
            "paragraphs": [sentences(chance, 20) for _ in range(3)],
            "memory": memory,
            "plans": plans,
            "summaries": [sentences(chance, 2) for _ in range(2)],
        },
        "step": {
            "paragraph": sentences(chance, 20),
            "rationale": sentences(chance, 2),
            "memory": memory,
            "plans": plans,
            "summary": sentences(chance, 2),
        },
        "selected": {"plan": chance.randint(1, 3), "reason": "It leaves most open."},
        "revised": {"paragraph": sentences(chance, 40), "plan": sentences(chance, 6)},
        "outline": {"parts": [{"point": sentences(chance, 1), "words": 200} for _ in range(5)]},
    }
    if request.schema is None:
        return sentences(chance, 20)
    reply = replies[request.schema_name]
    assert isinstance(reply, dict)
    wanted = request.schema["required"]
    assert isinstance(wanted, list)
    return json.dumps({name: value for name, value in reply.items() if name in wanted})


def between(request: Request, tag: str) -> list[str]:
    """What stands between these tags in the prompt."""
    text = request.messages[-1].content
    return re.findall(rf"<{tag}(?: [^>]*)?>\n(.*?)\n</{tag}>", text, re.DOTALL)


async def opened(where: object, model: ScriptedModel, *, embeds: bool = True) -> memkit.AsyncMemory:
    """A memory for stories."""
    embedder = HashEmbedder(64) if embeds else None
    return await memkit.open_async(str(where), components=[RecurrentGPT()], embedder=embedder, llm=model)
