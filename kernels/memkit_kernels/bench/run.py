"""A whole run of the benchmark: the cases of all operations, measured one after the other, and what is kept of them."""

import importlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from memkit_kernels.bench.cases import Case, Kind
from memkit_kernels.bench.ceilings import Ceilings
from memkit_kernels.bench.clock import Patience, said
from memkit_kernels.bench.machine import machine
from memkit_kernels.bench.row import Row, measured, unmeasured

__all__ = ["NOT_MEASURED", "Found", "Run", "found", "run", "written"]

NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The cases of the operations that were asked for; `left_out` says why an operation has none here."""

    cases: Sequence[Case]
    left_out: dict[str, str]
    broken: bool  # one is left out for another reason than a library that is not installed


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run has seen so far. `gpu` are the rows that only a GPU can fill, where this run had none."""

    machine: dict[str, object]
    ceilings: Ceilings
    left_out: dict[str, str]
    rows: tuple[Row, ...] = ()
    gpu: tuple[Row, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether an operation gave a wrong result or failed."""
        return any(row.wrong for row in self.rows)


def found(operations: Iterable[str], kind: Kind, *, quick: bool) -> Found:
    """The cases of each operation's `bench.py`; if `quick` only the smallest of each variant."""
    cases: list[Case] = []
    left_out: dict[str, str] = {}
    broken = False
    for operation in operations:
        try:
            mine = list(importlib.import_module(f"memkit_kernels.{operation}.bench").cases(kind))
        except ModuleNotFoundError as error:
            ours = (error.name or "").startswith("memkit_kernels")
            left_out[operation] = f"{error.name} is missing" if ours else said(error)
            broken |= ours
        else:
            cases += _smallest(mine) if quick else mine
    return Found(cases=cases, left_out=left_out, broken=broken)


def run(
    asked: Found,
    device: torch.device,
    can: Ceilings,
    patience: Patience,
    *,
    gpu: Sequence[Case] = (),
    each: Callable[[Run], None],
) -> Run:
    """Measure all cases on a device that `can` do so much. `each` gets the run so far before the first case and after
    every one; `gpu` are told as not measured."""
    gpu_rows = tuple(unmeasured(case, NOT_MEASURED) for case in gpu)
    done = Run(machine=machine(device), ceilings=can, left_out=asked.left_out, gpu=gpu_rows)
    each(done)
    for case in asked.cases:
        done = replace(done, rows=(*done.rows, measured(case, device, can, patience)))
        each(done)
    return done


def written(done: Run, file: Path) -> None:
    """Write the run as JSON, at once: whoever reads the file finds a whole one, also after a kill."""
    text = json.dumps(asdict(done), indent=1, ensure_ascii=False) + "\n"
    beside = file.with_name(file.name + ".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, file)


def _smallest(cases: Sequence[Case]) -> list[Case]:
    """The case of each variant with the least along its axis, in their order."""
    least: dict[tuple[str, str], Case] = {}
    for case in cases:
        name = (case.operation, case.variant)
        if name not in least or case.size[case.along] < least[name].size[case.along]:
            least[name] = case
    return list(least.values())
