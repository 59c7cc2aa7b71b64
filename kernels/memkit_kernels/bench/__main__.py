"""Measure every operation beside its competitors, in one run, and say what share of this device's own limits it reaches.

Each result is checked before it is timed: a wrong one has no time, and the exit code is 1. A competitor that is not
installed, or fails, is named with the reason. Times are medians of calls that take turns; on a GPU by device events and
with a cold L2. On a CPU the torch paths alone are measured.
"""

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

import torch

from memkit_kernels import OPERATIONS
from memkit_kernels.bench.cases import Kind
from memkit_kernels.bench.ceilings import ceilings
from memkit_kernels.bench.clock import QUICK, USUAL
from memkit_kernels.bench.row import named
from memkit_kernels.bench.run import Found, Run, found, run, written
from memkit_kernels.bench.table import bars, block, heading


def main(arguments: list[str] | None = None) -> int:
    """Run the program; 0, or 1 if an operation was wrong, failed or could not be loaded."""
    asked = _asked(arguments)
    kind: Kind = asked.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda" and not torch.cuda.is_available():
        sys.stderr.write("--device cuda needs a GPU that torch sees; there is none here\n")
        return 1
    wanted = tuple(dict.fromkeys(asked.only or OPERATIONS))
    cases = found(wanted, kind, quick=asked.quick)
    if asked.list:
        _say("\n".join([*map(named, cases.cases), *(f"{name}: {why}" for name, why in cases.left_out.items())]))
        return int(cases.broken)
    absent = found(wanted, "cuda", quick=False) if kind == "cpu" else None
    return _run(asked, cases, absent, torch.device(kind))


def _run(asked: argparse.Namespace, cases: Found, absent: Found | None, device: torch.device) -> int:
    def each(done: Run) -> None:
        if asked.json is not None:
            written(done, asked.json)
        _say(block(done.rows[-1], done.ceilings) if done.rows else heading(done))

    patience = QUICK if asked.quick else USUAL
    if asked.seconds is not None:
        patience = replace(patience, seconds=asked.seconds)
    can = ceilings(device, patience)
    done = run(cases, device, can, patience, gpu=absent.cases if absent else (), each=each)
    _say("\n" + bars(done))
    return int(done.wrong or cases.broken)


def _asked(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m memkit_kernels.bench", description=__doc__)
    parser.add_argument("--json", type=_file, metavar="OUT", help="write what was seen there, after each case")
    parser.add_argument("--only", nargs="+", choices=OPERATIONS, metavar="OPERATION", help="these and no others")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: the GPU where there is one")
    parser.add_argument("--quick", action="store_true", help="the smallest case of each variant, timed a few times")
    parser.add_argument(
        "--seconds", type=_seconds, help=f"for each contestant, about ({USUAL.seconds:g}; quick: {QUICK.seconds:g})"
    )
    parser.add_argument("--list", action="store_true", help="name the cases and measure nothing")
    return parser.parse_args(arguments)


def _file(text: str) -> Path:
    """A file that can be written: found out before minutes of measuring, not after."""
    file = Path(text)
    if file.is_dir() or not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no file in a folder that is there")
    return file


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text!r}")
    return seconds


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
