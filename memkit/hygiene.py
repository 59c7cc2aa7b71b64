"""What is worth remembering: an agent's own machinery is not, nor what it recalled and says again."""

from __future__ import annotations

import re
from hashlib import blake2b

from memkit.values import Event

# What an agent keeps in the journal for itself: tool calls and their results, a writer's short-term memory and plans.
WORKING_KINDS = frozenset({"call", "result", "short-memory", "plan", "outline"})
PROMPT_ROLES = frozenset({"system", "developer"})

_WORD = re.compile(r"\w+")


def memorable(event: Event) -> bool:
    """Whether components should remember the event. What is not memorable stays in the journal all the same."""
    return event.kind not in WORKING_KINDS and (event.role or "").lower() not in PROMPT_ROLES


def fingerprint(text: str) -> str:
    """16 hex digits that two texts share if they have the same words in the same order, whatever their case, spaces
    and punctuation."""
    words = " ".join(_WORD.findall(text.casefold()))
    return blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
