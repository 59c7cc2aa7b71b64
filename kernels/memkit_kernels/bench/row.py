"""One row of the benchmark: a case is prepared, checked, and only then timed beside its rivals."""

import gc
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from memkit_kernels.bench.cases import Bar, Case
from memkit_kernels.bench.ceilings import Ceilings
from memkit_kernels.bench.clock import OUT_OF_MEMORY, Patience, Race, Time, race, said
from memkit_kernels.reporting import report

__all__ = ["OURS", "Reached", "Row", "measured", "named", "unmeasured"]

OURS = "memkit"
RATES = ("copy bandwidth", "matrix rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A bar, and what the operation reached of it; None where what it is measured against did not run."""

    of: str
    least: float
    reached: float | None
    met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was seen of one case. With a `problem` nothing was timed, and it says why."""

    operation: str
    variant: str
    size: Mapping[str, int]
    along: str
    dtype: str
    problem: str | None = None
    wrong: bool = False  # the problem is the operation's: a wrong result, or an exception
    ran: str | None = None  # the backend of ours
    moved: int = 0
    flops: int = 0
    floor_ms: float = 0.0
    times: Mapping[str, Time] = field(default_factory=dict)  # ours is OURS
    absent: Mapping[str, str] = field(default_factory=dict)
    of_copy_bandwidth: float | None = None
    of_matrix_rate: float | None = None
    bar: Reached | None = None
    memory: Mapping[str, str] = field(default_factory=dict)
    peak_bytes: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The row as JSON has it."""
        return asdict(self)


def measured(case: Case, device: torch.device, ceilings: Ceilings, patience: Patience) -> Row:
    """The row of a case. Its memory is free again afterwards. Raises nothing that an operation or a rival raised."""
    try:
        row = _measured(case, device, ceilings, patience)
    except AssertionError as error:
        row = _problem(
            case, f"wrong result: {said(error).removeprefix('AssertionError').removeprefix(': ')}", wrong=True
        )
    except Exception as error:  # noqa: BLE001  one case that fails must not cost the others; it is told, and counts
        row = _failure(case, said(error))
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return row


def unmeasured(case: Case, why: str) -> Row:
    """The row of a case that was not run."""
    return _problem(case, why, wrong=False)


def named(case: Case) -> str:
    """A case in words. What its variant says already is not said again."""
    said_already = case.variant.replace(",", "").replace(" = ", "=").split()
    sizes = [f"{axis}={size:,}" for axis, size in case.size.items() if f"{axis}={size}" not in said_already]
    return f"{case.operation}, {case.variant}, {', '.join(sizes)}"


def _measured(case: Case, device: torch.device, ceilings: Ceilings, patience: Patience) -> Row:
    contest = case.prepare(device)
    contest.check()
    with report() as ran:
        contest.ours()
    run: dict[str, Callable[[], object]] = {OURS: contest.ours}
    run |= {name: work for name, work in contest.rivals.items() if not isinstance(work, str)}
    done = race(run, device, patience)
    if OURS in done.failed:
        return _failure(case, done.failed[OURS])
    seconds = done.times[OURS].median_ms / 1e3
    shares = (
        contest.moved / seconds / ceilings.copy_bytes_per_second,
        contest.flops / seconds / ceilings.matrix_flops_per_second,
    )
    return Row(
        **_about(case),
        ran=next((call.backend for call in reversed(ran) if call.operation == case.operation), None),
        moved=contest.moved,
        flops=contest.flops,
        floor_ms=_rounded(1e3 * ceilings.floor_seconds(contest.moved, contest.flops)),
        times=done.times,
        absent={name: why for name, why in contest.rivals.items() if isinstance(why, str)} | dict(done.failed),
        of_copy_bandwidth=_rounded(shares[0]),
        of_matrix_rate=_rounded(shares[1]),
        bar=_reached(case.bar, done, dict(zip(RATES, shares, strict=True))),
        memory=dict(contest.memory),
        peak_bytes=done.peak_bytes,
    )


def _reached(bar: Bar | None, done: Race, shares: Mapping[str, float]) -> Reached | None:
    if bar is None:
        return None
    if bar.of in shares:
        reached = shares[bar.of]
    elif bar.of in done.times:
        reached = done.times[bar.of].median_ms / done.times[OURS].median_ms
    else:
        return Reached(of=bar.of, least=bar.least, reached=None, met=None)
    return Reached(of=bar.of, least=bar.least, reached=_rounded(reached), met=reached >= bar.least)


def _failure(case: Case, text: str) -> Row:
    if text == OUT_OF_MEMORY:  # a smaller device is nobody's fault
        return _problem(case, "does not fit in this device's memory", wrong=False)
    return _problem(case, f"failed: {text}", wrong=True)


def _problem(case: Case, why: str, *, wrong: bool) -> Row:
    bar = Reached(of=case.bar.of, least=case.bar.least, reached=None, met=None) if case.bar else None
    return Row(**_about(case), problem=why, wrong=wrong, bar=bar)


def _about(case: Case) -> dict[str, Any]:
    return {
        "operation": case.operation,
        "variant": case.variant,
        "size": dict(case.size),
        "along": case.along,
        "dtype": str(case.dtype).removeprefix("torch."),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
