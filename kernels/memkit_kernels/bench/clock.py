"""How long each of several contestants takes, measured in turn, so that what slows the machine down slows all of them.

Does not know what they compute.
"""

import gc
import re
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

__all__ = ["OUT_OF_MEMORY", "QUICK", "USUAL", "Patience", "Race", "Time", "race", "said"]

FLUSHED = (
    2**30
)  # bytes written before each call on a GPU: many times its L2, and time enough for Python to queue the call
WORDS = 160  # characters of an error that are kept
OUT_OF_MEMORY = "out of memory"
PATHS = re.compile(r"(?:[A-Za-z]:\\|~?/)[^\s'\":,;()]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a contestant is timed: for about `seconds`, at least `least` and at most `most` times."""

    seconds: float
    least: int
    most: int

    def rounds(self, one: float) -> int:
        """The number of rounds for a contestant that takes `one` second."""
        return max(self.least, min(self.most, int(self.seconds / max(one, 1e-9))))


USUAL = Patience(seconds=2.0, least=5, most=100)
QUICK = Patience(seconds=0.1, least=3, most=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """Milliseconds of one call: the median and the best of so many."""

    median_ms: float
    best_ms: float
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """The times of all that ran; why the others did not; and on a GPU the most bytes each took while it ran."""

    times: Mapping[str, Time]
    failed: Mapping[str, str]
    peak_bytes: Mapping[str, int]


def race(contestants: Mapping[str, Callable[[], object]], device: torch.device, patience: Patience) -> Race:
    """Time each by calls that take turns, spread evenly over the whole. One that raises is out; the others go on.

    Each first runs a few times without being counted: the first call compiles and tunes. On a GPU the time is that between two
    events around the call, with a cold L2; on a CPU it is wall time, and what the caches hold is what the others left.
    """
    clock = _Clock(device)
    failed: dict[str, str] = {}
    rounds: dict[str, int] = {}
    peaks: dict[str, int] = {}
    for name, work in contestants.items():
        try:
            clock.seconds(work)
            peaks[name] = clock.peak(work)
            rounds[name] = patience.rounds(clock.seconds(work))
        except Exception as error:  # noqa: BLE001  a rival is anybody's code: what it raises is told in its place
            failed[name] = said(error)
            clock.tidy()
    seconds: dict[str, list[float]] = {name: [] for name in rounds}
    every = max(rounds.values(), default=0)
    for turn in range(every):
        for name in [name for name, mine in rounds.items() if (turn + 1) * mine // every > turn * mine // every]:
            if name in failed:
                continue
            try:
                seconds[name].append(clock.seconds(contestants[name]))
            except Exception as error:  # noqa: BLE001  as above: it may also fail later
                failed[name] = said(error)
                clock.tidy()
    times = {
        name: Time(median_ms=_ms(statistics.median(taken)), best_ms=_ms(min(taken)), rounds=len(taken))
        for name, taken in seconds.items()
        if name not in failed
    }
    here = peaks if device.type == "cuda" else {}
    return Race(times=times, failed=failed, peak_bytes={name: peak for name, peak in here.items() if name in times})


def said(error: BaseException) -> str:
    """An error as a short text without places on this machine's disk."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        return OUT_OF_MEMORY
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{error.name.partition('.')[0]} is not installed"
    text = PATHS.sub("…", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text}"[:WORDS].rstrip(": ")


class _Clock:
    """Times single calls on one device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.flush: torch.Tensor | None = None
        if device.type == "cuda":
            spare = torch.cuda.get_device_properties(device).total_memory // 16
            self.flush = torch.empty(min(FLUSHED, spare), dtype=torch.int8, device=device)

    def seconds(self, work: Callable[[], object]) -> float:
        if self.flush is None:
            start = time.perf_counter()
            work()
            return time.perf_counter() - start
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.device(self.device):
            self.flush.zero_()
            began.record()
            work()
            ended.record()
            torch.cuda.synchronize()
        return float(began.elapsed_time(ended)) / 1e3

    def peak(self, work: Callable[[], object]) -> int:
        """The most bytes that one call holds on the GPU, its result with them; 0 on a CPU, which does not tell."""
        if self.flush is None:
            return 0
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        work()
        torch.cuda.synchronize(self.device)
        return int(torch.cuda.max_memory_allocated(self.device)) - before

    def tidy(self) -> None:
        """Give back what a call that failed was holding."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _ms(seconds: float) -> float:
    return float(f"{1e3 * seconds:.5g}")
