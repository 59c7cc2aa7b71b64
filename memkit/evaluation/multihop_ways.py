"""The ways of remembering that `memkit eval multihop` compares, by names and options."""

from __future__ import annotations

from os import PathLike
from typing import Literal, get_args

from memkit.components.hipporag import HippoRAG, OpenIEFile, Settings
from memkit.components.hipporag.recalling import Filter
from memkit.evaluation.multihop_sets import read
from memkit.ports import Component
from memkit.wiring import components_from

RULES: Literal["rules"] = "rules"
LLM, NONE = "llm", "none"


def ways(
    names: str,
    *,
    folder: str | PathLike[str] | None = None,
    openie: str = RULES,
    version: int = 2,
    filter: str = RULES,  # noqa: A002  the option is called what it is
    published: bool = False,
    llm: bool = False,
) -> list[Component]:
    """Components by their names, "hipporag,passages", and HippoRAG as the options say.

    `openie` is "rules", "llm" (rules at once, then the chat model reads again), or the path of an OpenIE file; `filter` as
    HippoRAG's, "none" for none. With `published` all else is as in the papers' code. `llm` says that there is a chat model.
    Raises ValueError for what cannot be, such as a model that is to read and is not there, or a file that has no
    passage of the set in `folder`.
    """
    if not llm and (openie == LLM or filter == LLM):
        raise ValueError(f"{'--openie' if openie == LLM else '--filter'} llm needs a chat model; name one with --llm")
    if version not in (1, 2):
        raise ValueError(f"version is {version}; it can be 1 or 2")
    known = (*get_args(Filter), NONE)
    if filter not in known:
        raise ValueError(f"filter is {filter!r}; it can be {', '.join(known)}")
    number: Literal[1, 2] = 1 if version == 1 else 2
    listed = [name.strip() for name in names.split(",")]
    if HippoRAG.name not in listed:
        return components_from(listed)
    hipporag = HippoRAG(
        version=number,
        extractor=RULES if openie in (RULES, LLM) else _file(openie, folder),
        refine=openie == LLM,
        normaliser="published" if published else "unicode",
        filter=next((one for one in get_args(Filter) if one == filter), None),
        settings=Settings.published(number) if published else None,
    )
    return components_from([hipporag if name == HippoRAG.name else name for name in listed])


def _file(path: str, folder: str | PathLike[str] | None) -> OpenIEFile:
    try:
        file = OpenIEFile(path)
    except OSError as e:
        raise ValueError(f"cannot read {path}: {e.strerror}; --openie takes a file, rules or llm") from e
    if folder is not None:
        passages = read(folder).passages
        if not file.matched(f"{one.title}\n{one.text}" if one.title.strip() else one.text for one in passages):
            raise ValueError(f"{path} has none of the {len(passages):,} passages in {folder}: it is of another corpus")
    return file
