"""A writing assistant: stories that a model writes with you, step by step, over any OpenAI-compatible server.

    write.py new lamp "a mystery on an island, told by the keeper's daughter" --model gpt-5-mini
    write.py next lamp 2 --model gpt-5-mini          follow plan 2; or "She rows to the mainland."; then accept, edit, reject
    write.py auto lamp 30 --model gpt-5-mini         thirty steps by itself; --reader lets a second voice choose and extend
    write.py new game "you wake up in a lighthouse" --fiction --model …    and then: write.py play game --model …
    write.py new guide "Write 3,000 words on lighthouses" --planned --model …    and then: write.py auto guide --model …
    write.py show | edit | undo | export             need no model

Everything is in one file (--db), as plain text that you can edit and take back. Stopping at any moment loses nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import memkit
from memkit import RecurrentGPT
from memkit.agents import AgentWrite, Proposal, Recurrent, SimulatedHuman, State, Writer, write
from memkit.messages import Options
from memkit.models import Limits, Metered, OpenAIChat

ASK = "[a]ccept, [e]dit the text, [r]eject, [l]ater? "
SECONDS = 600.0  # for one reply: a step is a thousand words, and models on one's own machine are slow


def model_of(given: argparse.Namespace) -> Metered | None:
    """The model that the options name."""
    if given.model is None:
        return None
    return Metered(OpenAIChat(given.model, base_url=given.base_url, timeout=SECONDS), limits=Limits(timeout=SECONDS))


async def writer_of(memory: memkit.AsyncMemory, given: argparse.Namespace) -> Writer:
    """A writer with the strategy that the story was begun with."""
    premise = (await Writer(memory, given.story).state()).premise
    options = Options(temperature=given.temperature)
    planned = given.planned if premise is None else premise.metadata.get("strategy") == AgentWrite.name
    strategy = AgentWrite(options=options) if planned else Recurrent(options=options)
    return Writer(memory, given.story, strategy=strategy)


def shown(proposal: Proposal) -> str:
    """A proposal for a person to read."""
    parts = [f"# {proposal.title}"] if proposal.title else []
    parts += [proposal.outline] if proposal.outline else []
    parts += list(proposal.paragraphs)
    return "\n\n".join(["", *parts, *plans(proposal.plans)])


def plans(texts: tuple[str, ...]) -> list[str]:
    return [f"[{number}] {text}" for number, text in enumerate(texts, start=1)]


async def asked(prompt: str) -> str:
    """What the person types; "later" at the end of the input."""
    try:
        return (await asyncio.to_thread(input, prompt)).strip()
    except EOFError:
        return "later"


async def typed() -> str:
    """Lines up to one with just a full stop."""
    print("Type the text; end with a line that has just a full stop.")
    lines: list[str] = []
    while (line := await asked("")) not in (".", "later"):
        lines.append(line)
    return "\n".join(lines)


async def decided(writer: Writer, proposal: Proposal, *, yes: bool) -> None:
    """Show a proposal and do with it what the person says."""
    print(shown(proposal))
    while True:
        answer = "a" if yes else (await asked(ASK)).lower()[:1]
        if answer == "a":
            await writer.accept(proposal)
            return print("Accepted.")
        if answer == "e":
            await writer.accept(proposal, paragraph=await typed())
            return print("Accepted with your text.")
        if answer == "r":
            await writer.reject(proposal, await asked("Why? (may be empty) ") or None)
            return print("Rejected.")
        if answer == "l":
            return print("Kept as a proposal; `next` shows it again.")


async def next_step(writer: Writer, given: argparse.Namespace) -> None:
    """One step: a plan, a proposal, a decision."""
    state = await writer.state()
    plan: int | str | None = int(given.plan) if given.plan and given.plan.isdecimal() else given.plan
    if plan is None and state.proposal is None and writer.strategy.rolling and state.step and state.chosen is None:
        print("\n\n".join(plans(tuple(event.text for event in state.plans))))
        answer = await asked("Which plan? A number, or your own words: ")
        if answer == "later":
            return
        plan = int(answer) if answer.isdecimal() else answer
    await decided(writer, await writer.propose(plan, after=state.step), yes=given.yes)


async def play(writer: Writer) -> None:
    """Interactive fiction: what the player does is the plan."""
    state = await writer.state()
    while True:
        if state.proposal is not None or not state.step:
            proposal = state.proposal or await writer.propose()  # what was done before a crash comes first
        else:
            print(f"\n{state.previous.text if state.previous else ''}\n")
            print("\n".join(plans(tuple(event.text for event in state.plans))))
            answer = await asked("What do you do? A number, or your own words (Ctrl-D to stop): ")
            if answer == "later":
                return
            if not answer:
                continue
            proposal = await writer.propose(int(answer) if answer.isdecimal() else answer)
        state = await writer.accept(proposal)


async def auto(writer: Writer, given: argparse.Namespace) -> None:
    """Steps without a person, one by one, so that progress is seen."""
    human = SimulatedHuman(writer.llm, options=Options(temperature=given.temperature)) if given.reader else None
    done = 0
    while given.steps is None or done < given.steps:
        state = await writer.state()
        if writer.strategy.left(state) == 0:
            break
        state = await write(writer, None if given.steps is None and writer.strategy.rolling else 1, human=human)
        done += 1
        print(f"{state.step} paragraphs")


def told(state: State) -> str:
    """Where a story stands."""
    if state.premise is None:
        return "There is no such story yet; begin it with `new`."
    lines = [f"Premise: {state.premise.text}", f"Paragraphs: {state.step}"]
    for name, event in (("Title", state.title), ("Outline", state.outline), ("Memory", state.memory)):
        lines += [f"{name}: {event.text}"] if event else []
    lines += [f"Last paragraph: {state.previous.text}"] if state.previous else []
    lines += plans(tuple(event.text for event in state.plans))
    lines += [f"Chosen: {state.chosen.text}"] if state.chosen else []
    lines += ["A proposal waits; `next` shows it."] if state.proposal else []
    return "\n\n".join(lines)


async def edit(writer: Writer, given: argparse.Namespace) -> None:
    text = given.text if given.text is not None else await typed()
    await writer.edit(given.kind, text, step=given.step, option=given.option)
    print("Edited; `undo` takes it back.")


async def export(writer: Writer, given: argparse.Namespace) -> None:
    text = await writer.export()
    if given.to is None:
        print(text, end="")
    else:
        await asyncio.to_thread(given.to.write_text, text, encoding="utf-8")
        print(f"{len(text.split())} words written to {given.to}")


async def run(given: argparse.Namespace) -> None:
    """What the command says."""
    memory = await memkit.open_async(
        given.db, components=[RecurrentGPT()], embedder=given.embedder, llm=model_of(given)
    )
    async with memory:
        writer = await writer_of(memory, given)
        match given.command:
            case "new":
                await writer.begin(given.premise, seed=given.seed, second_person=given.fiction)
                await decided(writer, await writer.propose(), yes=given.yes)
            case "next":
                await next_step(writer, given)
            case "auto":
                await auto(writer, given)
            case "play":
                await play(writer)
            case "show":
                print(told(await writer.state()))
            case "edit":
                await edit(writer, given)
            case "undo":
                gone = await writer.undo()
                print(
                    "\n".join(f"Gone: {event.kind}: {event.text[:70]}" for event in gone) or "There is nothing to undo."
                )
            case "export":
                await export(writer, given)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = options.add_subparsers(dest="command", required=True)
    made = {
        name: commands.add_parser(name) for name in ("new", "next", "auto", "play", "show", "edit", "undo", "export")
    }
    for one in made.values():
        one.add_argument("story")
        one.add_argument("--db", default="stories.db")
        one.add_argument("--model", help="its name at the server")
        one.add_argument("--base-url", help="of the server; else OPENAI_BASE_URL, else OpenAI's")
        one.add_argument("--embedder", help="for recall by meaning: openai:NAME, or a sentence-transformers folder")
        one.add_argument("--temperature", type=float)
        one.set_defaults(planned=False)
    made["new"].add_argument("premise")
    made["new"].add_argument("--planned", action="store_true", help="a plan first, then its parts (AgentWrite)")
    made["new"].add_argument("--fiction", action="store_true", help="interactive fiction, in the second person")
    made["new"].add_argument("--seed", type=int, default=0)
    made["next"].add_argument("plan", nargs="?", help="1 to 3, or your own words")
    for name in ("new", "next"):
        made[name].add_argument("--yes", action="store_true", help="accept without asking")
    made["auto"].add_argument("steps", type=int, nargs="?")
    made["auto"].add_argument("--reader", action="store_true", help="a model chooses the plans and extends the text")
    made["edit"].add_argument("kind", help="paragraph, short-memory, plan, chapter, title, outline, premise")
    made["edit"].add_argument("text", nargs="?")
    made["edit"].add_argument("--step", type=int)
    made["edit"].add_argument("--option", type=int)
    made["export"].add_argument("--to", type=Path)
    return options


def main(words: list[str] | None = None) -> int:
    """The exit status. `words` are those of the command line, unless others are given."""
    given = parser().parse_args(words)
    try:
        asyncio.run(run(given))
    except (memkit.MemkitError, OSError, ValueError) as error:
        print(f"{error} ({error.__cause__})" if error.__cause__ else error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Nothing is lost: the same command goes on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
