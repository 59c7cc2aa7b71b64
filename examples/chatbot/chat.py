"""A chatbot that remembers you: python examples/chatbot/chat.py --user ana --model gpt-5-mini [--base-url http://localhost:8000/v1]

Type /forget WORDS to forget what was said about something, /why to see what the last reply was based on, Ctrl-D to leave.
"""

from __future__ import annotations

import argparse
from datetime import date
from typing import Protocol

import memkit

HABITS = "You are a friendly companion. Use what you remember when it helps; do not list it."


class Model(Protocol):
    """Anything that answers a list of chat messages."""

    def __call__(self, messages: list[dict[str, str]], /) -> str: ...


class OpenAIModel:
    """A chat model behind an OpenAI-compatible server."""

    def __init__(self, model: str, base_url: str | None) -> None:
        import openai  # only this class needs it

        self._client = openai.OpenAI(base_url=base_url)
        self._model = model

    def __call__(self, messages: list[dict[str, str]], /) -> str:
        reply = self._client.chat.completions.create(model=self._model, messages=messages)  # type: ignore[arg-type]
        return reply.choices[0].message.content or ""


class Companion:
    """One person's conversation. It may end at any moment, also by a crash: what was said is in the memory."""

    def __init__(self, memory: memkit.Memory, model: Model, *, user: str) -> None:
        self._memory = memory[user]
        self._model = model
        self._user = user
        self._last: memkit.Recall | None = None

    def reply(self, text: str) -> str:
        """What the model says to the text. The text is remembered before the model is asked, the reply after."""
        latest = self._memory.history(last=8)
        recent = [{"role": event.role or "user", "content": event.text} for event in latest]
        earlier = latest[0].at if len(latest) == 8 else None  # what is said again in `recent` need not be recalled
        self._last = self._memory.recall(text, k=8, neighbours=1, until=earlier)
        session = date.today().isoformat()
        self._memory.add(text, role="user", author=self._user, session=session)
        remembered = list(self._last.messages(tokens=1_000))
        answer = self._model(
            [{"role": "system", "content": HABITS}, *remembered, *recent, {"role": "user", "content": text}]
        )
        if answer.strip():
            self._memory.add(answer, role="assistant", session=session)
        return answer

    def why(self) -> str:
        """What the last reply could draw on, and why it was found."""
        return self._last.explain() if self._last is not None else "Nothing was said yet."

    def forget(self, words: str) -> str:
        """Forget what the memory finds for these words, and prove it."""
        found = self._memory.recall(words, k=3)
        if not found:
            return "I remember nothing about that."
        gone = self._memory.forget(ids=[id for hit in found for id in hit.events], verify=True)
        return f"{gone.events} things forgotten{' and gone from the disk' if gone.proven else ''}."


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--user", required=True)
    options.add_argument("--model", required=True)
    options.add_argument("--base-url")
    options.add_argument("--db", default="companion.db")
    given = options.parse_args()
    with memkit.open(given.db) as memory:
        companion = Companion(memory, OpenAIModel(given.model, given.base_url), user=given.user)
        while True:
            try:
                text = input("> ").strip()
            except (EOFError, KeyboardInterrupt):
                return
            if text == "/why":
                print(companion.why())
            elif text.startswith("/forget "):
                print(companion.forget(text.removeprefix("/forget ")))
            elif text:
                print(companion.reply(text))


if __name__ == "__main__":
    main()
