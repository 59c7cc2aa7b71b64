"""Putting a memory together. The only place that knows stores, components, models and faces at once, and the only one of
memkit's that imports `memkit_stores`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from os import PathLike, fsdecode
from typing import Literal

from memkit.blocking import Blocking
from memkit.components.passages import Passages
from memkit.coroutines import AsyncMemory
from memkit.engine import Engine
from memkit.errors import SpaceError
from memkit.memory import Memory
from memkit.models.adaptive import AdaptiveScorer
from memkit.models.checked import Checked
from memkit.models.metered import Metered
from memkit.models.specs import embedder_from, llm_from, scorer_from
from memkit.offload import offload
from memkit.ports import ChatModel, Component, Embedder, TokenScorer
from memkit.values import Space
from memkit.view import Workshop
from memkit_stores import SqlStore

COMPONENTS = {
    "passages": "Passages",
    "think_in_memory": "ThinkInMemory",
    "sir_llm": "SirLLM",
    "recurrent_gpt": "RecurrentGPT",
    "hipporag": "HippoRAG",
}

Durability = Literal["disk", "process"]


def open_memory(
    where: str | PathLike[str] = "memkit.db",
    *,
    components: Sequence[Component] | None = None,
    embedder: Embedder | str | None = None,
    llm: ChatModel | Metered | str | None = None,
    scorer: TokenScorer | str | None = None,
    durability: Durability = "disk",
    vectors: str = "memory",
) -> Memory:
    """Open or create a memory. Works with no model, no key and no network.

    `where`: the path of a SQLite file, ":memory:", or the URL of a PostgreSQL database. `components`: the ways of
    remembering (default: `Passages`). `embedder`: an Embedder, "openai:NAME", or the name or folder of a sentence-
    transformers model; without one, recall is by words. A memory keeps to the embedder that its first vectors were
    made with: `memkit reembed` changes it. `llm`: a ChatModel, a Metered one (which has limits, prices and a budget), or
    "openai:NAME", for the components that can ask one, and for agents. `scorer`: what tells how surprising a text is
    (default: a model without weights, which learns from what it reads), or the folder of a Hugging Face causal model.
    `durability`: with "disk" what was added survives a power cut, with "process" the death of the process. `vectors`:
    with "kernel", this process holds the vectors on a GPU, or where torch finds none in torch's memory on the CPU;
    "kernel:cpu" and "kernel:cuda:1" name the device. With "pgvector", PostgreSQL searches the vectors and this process does
    not hold them. Other processes may open the same database in another way. Raises StoreError when the database cannot
    be opened or has no pgvector, or when the device is not there, ImportError when torch is not, SpaceError when
    the embedder is another one than the vectors were made with.
    """
    return Memory(
        engine(
            where,
            components=components,
            embedder=embedder,
            llm=llm,
            scorer=scorer,
            durability=durability,
            vectors=vectors,
        )
    )


async def open_async(
    where: str | PathLike[str] = "memkit.db",
    *,
    components: Sequence[Component] | None = None,
    embedder: Embedder | str | None = None,
    llm: ChatModel | Metered | str | None = None,
    scorer: TokenScorer | str | None = None,
    durability: Durability = "disk",
    vectors: str = "memory",
) -> AsyncMemory:
    """`open` for coroutines: the same arguments, the same verbs."""
    made = await offload(
        engine,
        where,
        components=components,
        embedder=embedder,
        llm=llm,
        scorer=scorer,
        durability=durability,
        vectors=vectors,
    )
    return AsyncMemory(made)


def engine(
    where: str | PathLike[str],
    *,
    components: Sequence[Component] | None,
    embedder: Embedder | str | None,
    llm: ChatModel | Metered | str | None = None,
    scorer: TokenScorer | str | None = None,
    durability: Durability,
    vectors: str = "memory",
) -> Engine:
    """An engine over the database, with the embedder's space in use."""
    chosen = (Passages(),) if components is None else tuple(components)
    for one in chosen:
        if isinstance(one, (str, type)):
            raise TypeError(f"{one!r} is not a component; give objects, such as components=[Passages()]")
    twice = sorted({one.name for one in chosen if [other.name for other in chosen].count(one.name) > 1})
    if not chosen or twice:
        raise ValueError(f"a memory needs components with different names; {', '.join(twice) or 'none'} given")
    checked = None if embedder is None else _checked(embedder)
    metered = None if llm is None else _metered(llm)
    reader = AdaptiveScorer() if scorer is None else _reader(scorer)
    store = SqlStore(fsdecode(where), durability=durability, vectors=vectors)
    try:
        _agree(store, checked)
    except BaseException:
        store.close()
        raise
    return Engine(Workshop(store, checked, metered, reader), chosen)


def components_from(given: str | Sequence[str | Component]) -> list[Component]:
    """Components by their names, as they are made by default: "passages,think_in_memory", or a list of names. What is a
    component already stays as it is. Raises ValueError for a name that is not known."""
    listed = given.split(",") if isinstance(given, str) else given
    return [_component(one.strip()) if isinstance(one, str) else one for one in listed]


def _component(name: str) -> Component:
    if name not in COMPONENTS:
        raise ValueError(f"there is no component {name!r}; there are {', '.join(COMPONENTS)}")
    made: Component = getattr(importlib.import_module(f"memkit.components.{name}"), COMPONENTS[name])()
    return made


def reembed(
    where: str | PathLike[str],
    embedder: Embedder | str,
    *,
    discard: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    vectors: str = "memory",
) -> Space:
    """Build the vectors of a memory anew with another embedder, beside the old ones, then switch to it.

    The memory can be used meanwhile. When it is interrupted, calling it again goes on where it stopped. Switching back is the
    same call with the old embedder, whose vectors are still there unless `discard` removed them. `progress` is called
    with the rows done and the rows there are to do. `vectors` as in `open`. Returns the space now in use.
    """
    checked = _checked(embedder)
    store = SqlStore(fsdecode(where), vectors=vectors)
    blocking = Blocking()
    try:
        before = [space for space, current in store.spaces.every() if current and space != checked.space]
        maker = Engine(Workshop(store, checked), ())
        total = store.spaces.count_missing(checked.space)
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            progress(done, total)

        blocking.run(lambda: maker.embed_missing(checked, progress=count))
        store.spaces.use(checked.space, whole=True)
        for space in before if discard else ():
            store.spaces.discard(space)
        return checked.space
    finally:
        blocking.close(checked.aclose)
        store.close()


def _checked(embedder: Embedder | str) -> Checked:
    if isinstance(embedder, str):
        return Checked(embedder_from(embedder))
    if not hasattr(embedder, "embed") or not hasattr(embedder, "space"):
        raise TypeError(f"the embedder is a {type(embedder).__name__}; give an Embedder, or the name of a model")
    return Checked(embedder)


def _metered(llm: ChatModel | Metered | str) -> Metered:
    if isinstance(llm, Metered):
        return llm
    if isinstance(llm, str):
        return Metered(llm_from(llm))
    lacking = [name for name in ("model", "complete", "stream") if not hasattr(llm, name)]
    if lacking:
        raise TypeError(
            f"the llm is a {type(llm).__name__} without {', '.join(lacking)}; give a ChatModel, or its name"
        )
    return Metered(llm)


def _reader(scorer: TokenScorer | str) -> TokenScorer:
    if isinstance(scorer, str):
        return scorer_from(scorer)
    if not hasattr(scorer, "start"):
        raise TypeError(f"the scorer is a {type(scorer).__name__}; give a TokenScorer, or the folder of a causal model")
    return scorer


def _agree(store: SqlStore, embedder: Checked | None) -> None:
    """Put the embedder's space in use, or refuse it when there are vectors of another one."""
    if embedder is None:
        return
    current = next((space for space, current in store.spaces.every() if current), None)
    if current == embedder.space:
        return
    if current is None or not store.spaces.holds(current):
        store.spaces.use(embedder.space, whole=False)
    else:
        raise SpaceError(
            f"the vectors in {store.database.name} were made by {current.model} ({current.dimension} dimensions), and the "
            f"embedder given is {embedder.space.model} ({embedder.space.dimension}). Open it with the first, or run "
            "`memkit reembed` to change it"
        )
