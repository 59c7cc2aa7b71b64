"""The strategy with a plan for all of it: AgentWrite (LongWriter, Bai et al. 2024, arXiv 2408.07055).

One call makes the plan, numbered parts with a main point and a length each; then each part is written by a call that sees
the instruction, the whole plan and the text so far. The plan and every part are proposals like others: once
accepted they are in the journal, and a run that was stopped goes on behind the last one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from memkit.agents.writer.canon import Canon
from memkit.agents.writer.prompt import prompt
from memkit.components.recurrent_gpt.cell import tail, text_in
from memkit.components.recurrent_gpt.state import Proposal, State
from memkit.context.tokens import Count, estimate
from memkit.errors import ModelReplyError
from memkit.messages import Message, Options, Shape
from memkit.ports import Llm
from memkit.values import Event, Json

MOST_PARTS = 50  # a longer plan is not taken; the published limit
LONGEST_PART = 1_000  # words; models hold lengths up to about that in one reply
WINDOW = 16_000  # tokens of the text so far that a part sees
RECALLED = 8  # earlier parts that are looked for when not all of them fit

_LINE = re.compile(r"\s*(\d{1,4})[.)]\s+(\S.*?)\s+\((\d{1,6}) words?\)\s*")


@dataclass(frozen=True, slots=True)
class Part:
    """A line of the plan."""

    point: str
    words: int


class AgentWrite:
    """A plan first, then its parts in order.

    `window` is how many tokens of the text so far a part may see, by `count`. While the text fits, all of it is shown.
    After that the last parts are, in at most half the window, and of the others those that recall finds for the
    part's main point; the prompt says that there are gaps. `options` go with every call.
    """

    name = "agentwrite"
    rolling = False

    def __init__(self, *, window: int = WINDOW, count: Count = estimate, options: Options | None = None) -> None:
        if window < 100:
            raise ValueError(f"window is {window} tokens; with fewer than 100 no part could go on from the last one")
        self._window = window
        self._count = count
        self._options = options

    def left(self, state: State) -> int | None:
        """The plan, and the parts that are not written yet."""
        if state.outline is None:
            return None
        return max(0, len(parse_outline(state.outline.text)) - state.step)

    def check(self, kind: str, text: str) -> None:
        """See `Strategy.check`: an outline keeps its form."""
        if kind == "outline":
            parse_outline(text)

    async def propose(self, canon: Canon, state: State, llm: Llm, rejected: tuple[str, ...]) -> Proposal:
        """The plan, or the next part of it. Raises ValueError when all parts are written."""
        assert state.premise is not None  # the writer saw to it
        turned_down = "".join(["\n\n" + prompt("writer_rejected"), *(f"\n- {reason}" for reason in rejected)])
        if state.outline is None:
            asked = Template(prompt("writer_outline")).substitute(
                instruction=state.premise.text, parts=MOST_PARTS, words=LONGEST_PART
            )
            message = Message(role="user", content=asked + turned_down * bool(rejected))
            outline = await llm.ask([message], _OUTLINE, stage="outline", options=self._options)
            return Proposal(step=0, outline=outline)
        parts = parse_outline(state.outline.text)
        if state.step >= len(parts):
            raise ValueError("the plan is written to its end; edit the outline to go on")
        part = parts[state.step]
        so_far, recalled = await self._so_far(canon, part)
        asked = Template(prompt("writer_part")).substitute(
            instruction=state.premise.text,
            outline=state.outline.text,
            so_far=so_far or "(nothing yet)",
            number=state.step + 1,
            point=part.point,
            words=part.words,
            ending=prompt("writer_last" if state.step + 1 == len(parts) else "writer_not_last"),
        )
        message = Message(role="user", content=asked + turned_down * bool(rejected))
        reply = await llm.complete([message], stage="part", options=self._options)
        if reply.finish != "stop" or not reply.text.strip():
            cause = {"length": "was cut off at its longest", "refusal": "is a refusal"}.get(reply.finish, "is empty")
            raise ModelReplyError(f"the reply that should be part {state.step + 1} {cause}", raw=reply.text)
        try:
            text = text_in({"text": reply.text}, "text")
        except ValueError as error:
            raise ModelReplyError(f"part {state.step + 1} cannot be stored: {error}", raw=reply.text) from error
        return Proposal(step=state.step + 1, paragraphs=(text,), instruction=part.point, recalled=tuple(recalled))

    async def _so_far(self, canon: Canon, part: Part) -> tuple[str, list[str]]:
        """The text so far, or what fits of it, and the ids of the parts that were recalled for that."""
        written = await canon.paragraphs()
        costs = {event.id: self._count(event.text) for event in written}
        if sum(costs.values()) <= self._window:
            return "\n\n".join(event.text for event in written), []
        shown: dict[str, str] = {}
        left = self._window // 2
        for event in reversed(written):
            if costs[event.id] > left:
                break
            shown[event.id] = event.text
            left -= costs[event.id]
        if not shown:
            shown[written[-1].id] = self._end(written[-1].text, left)
            left = 0
        left += self._window - self._window // 2
        recalled = []
        by_step = {event.metadata["step"]: event for event in written}
        for hit in await canon.recall(part.point, k=RECALLED):
            found = by_step.get(hit.metadata.get("step"))
            if found is not None and found.id not in shown and costs[found.id] <= left:
                shown[found.id] = found.text
                left -= costs[found.id]
                recalled.append(found.id)
        return _with_gaps(written, shown), recalled

    def _end(self, text: str, tokens: int) -> str:
        """The end of a text within so many tokens."""
        words = tokens
        while self._count(end := tail(text, words)) > tokens and words > 1:
            words = words * 3 // 4
        return end


def parse_outline(text: str) -> list[Part]:
    """The parts of a plan: lines such as "3. How the harbour was built (400 words)", numbered from 1 without a gap.
    Raises ValueError, which names the line that is different."""
    lines = [line for line in text.splitlines() if line.strip()]
    parts = []
    for number, line in enumerate(lines, start=1):
        found = _LINE.fullmatch(line)
        if found is None or int(found[1]) != number or int(found[3]) < 1:
            raise ValueError(
                f"line {number} of the outline is {line[:80]!r}; it must look like '{number}. Main point (400 words)'"
            )
        parts.append(Part(point=found[2], words=int(found[3])))
    if not 1 <= len(parts) <= MOST_PARTS:
        raise ValueError(f"the outline has {len(parts)} parts; 1 to {MOST_PARTS} are possible")
    return parts


def length_score(required: int, produced: int) -> float:
    """How well a text keeps to a required length, 0 to 100: S_l of LongBench-Write. 100 at just that length; a text three
    times shorter or four times longer has 0, as has an empty one. Both in words."""
    if required < 1 or produced < 0:
        raise ValueError(
            f"{required} words are required and {produced} produced; neither can be negative, nor the first 0"
        )
    if produced == 0:
        return 0.0
    if produced > required:
        return 100 * max(0.0, 1 - (produced / required - 1) / 3)
    return 100 * max(0.0, 1 - (required / produced - 1) / 2)


def _with_gaps(written: Sequence[Event], shown: dict[str, str]) -> str:
    """The shown parts in order, with a line wherever some are left out."""
    pieces: list[str] = []
    hidden: list[int] = []
    for number, event in enumerate(written, start=1):
        if event.id not in shown:
            hidden.append(number)
            continue
        if hidden:
            pieces.append(_gap(hidden))
            hidden = []
        pieces.append(shown[event.id])
    return "\n\n".join(pieces)


def _gap(hidden: Sequence[int]) -> str:
    which = f"part {hidden[0]}" if len(hidden) == 1 else f"parts {hidden[0]} to {hidden[-1]}"
    return f"[Of the text so far, {which} cannot be shown here.]"


def _read_outline(reply: Json) -> str:
    parts = reply.get("parts") if isinstance(reply, dict) else None
    if not isinstance(parts, list) or not 1 <= len(parts) <= MOST_PARTS:
        raise ValueError(f"'parts' must be a list of 1 to {MOST_PARTS} parts")
    lines = []
    for number, part in enumerate(parts, start=1):
        told = part if isinstance(part, dict) else {}
        words = told.get("words")
        if isinstance(words, bool) or not isinstance(words, int) or not 1 <= words <= LONGEST_PART:
            raise ValueError(f"'words' of part {number} must be a whole number from 1 to {LONGEST_PART}")
        lines.append(f"{number}. {' '.join(text_in(told, 'point').split())} ({words} words)")
    return "\n".join(lines)


_PART: Json = {
    "type": "object",
    "properties": {"point": {"type": "string"}, "words": {"type": "integer"}},
    "required": ["point", "words"],
    "additionalProperties": False,
}
_OUTLINE = Shape(
    name="outline",
    schema={
        "type": "object",
        "properties": {"parts": {"type": "array", "items": _PART}},
        "required": ["parts"],
        "additionalProperties": False,
    },
    read=_read_outline,
)
