"""A chatbot that remembers you: python examples/chatbot/chat.py --user ana --model gpt-5-mini [--base-url http://localhost:8000/v1]

OPENAI_BASE_URL and OPENAI_API_KEY say which server, if not OpenAI's own. /why shows what the last reply was based on, /forget
WORDS forgets what was said about something, Ctrl-D leaves. Killed in a reply, it goes on when it is started again.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

import memkit
from memkit.agents import Chat
from memkit.models.openai_chat import OpenAIChat


async def asked(prompt: str) -> str:
    """A line from the person, while the memory goes on working."""
    return (await asyncio.to_thread(input, prompt)).strip()


async def agreed(events: Sequence[memkit.Event]) -> bool:
    """Whether the person lets go of these."""
    for event in events:
        print(f"  {event.at:%d %B %Y}: {event.text}")
    return (await asked("Forget this? [y/N] ")).lower() in ("y", "yes")


async def forgotten(memory: memkit.AsyncMemory, words: str) -> str:
    """Forget what the memory finds for these words, if the person agrees, and prove it."""
    found = await memory.recall(words, k=8)
    ids = [id for hit in found for id in hit.events]
    if not ids or not await agreed(await memory.history(ids=ids)):
        return "Nothing was forgotten."
    gone = await memory.forget(ids=ids, verify=True)
    return f"Forgotten: {gone.events}, {'and gone from the disk' if gone.proven else 'not yet from the disk'}."


async def talk(memory: memkit.AsyncMemory, chat: Chat, user: str) -> None:
    """Until the person leaves."""
    text = "/resume" if await chat.pending() else ""
    while True:
        try:
            if text == "/why":
                print(chat.last.recall.explain() if chat.last and chat.last.recall else "The latest turns only.")
            elif text.startswith("/forget "):
                print(await forgotten(memory, text.removeprefix("/forget ")))
            elif text == "/resume":
                answer = await chat.resume()
                print(answer.text if answer else "Nothing waits for a reply.")
            elif text:
                async for piece in chat.say(text, author=user):
                    print(piece, end="", flush=True)
                print()
        except memkit.ModelError as e:
            print(f"\n[No reply: {e}. What you said is kept: /resume asks again.]")
        text = await asked("> ")


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--user", required=True)
    options.add_argument("--model", required=True)
    options.add_argument("--base-url")
    options.add_argument("--db", default="companion.db")
    given = options.parse_args()
    async with await memkit.open_async(given.db, llm=OpenAIChat(given.model, base_url=given.base_url)) as memory:
        mine = memory[given.user]
        await talk(mine, Chat(mine, session="chat", confirm=agreed), given.user)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except EOFError:
        print()
    except memkit.MemkitError as e:
        raise SystemExit(str(e)) from None
