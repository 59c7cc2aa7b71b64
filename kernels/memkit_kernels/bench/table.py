"""What a run says to whoever sits before it: a block of lines for each case, and the bars at the end."""

from collections.abc import Iterator, Mapping

from memkit_kernels.bench.ceilings import Ceilings
from memkit_kernels.bench.row import OURS, Reached, Row
from memkit_kernels.bench.run import Run

__all__ = ["bars", "block", "heading"]

NAMES = 44  # columns for a contestant's name


def heading(done: Run) -> str:
    """The machine, and what it can do at most."""
    about, can = done.machine, done.ceilings
    lines = [
        f"{about['device']}, {about['threads']} threads, {_versions(about['packages'])}, {about['date']}",
        f"copy {_rate(can.copy_bytes_per_second, 'B/s')}, {can.dtype} matrices {_rate(can.matrix_flops_per_second, 'FLOP/s')}:",
        "measured now, and shares below are of these",
    ]
    if about["kind"] == "cpu":
        lines.append("On a CPU the torch paths run, and a GPU's figures are not measured.")
    return "\n".join([*lines, *(f"{name}: {why}" for name, why in done.left_out.items())])


def block(row: Row, can: Ceilings) -> str:
    """One case: its size, then a line for each contestant."""
    return "\n".join(_lines(row, can))


def bars(done: Run) -> str:
    """Every bar with what was reached, and those of a GPU that was not there."""
    rows = [row for row in (*done.rows, *done.gpu) if row.bar is not None]
    wrong = [f"  {_title(row)}: {row.problem}" for row in done.rows if row.wrong]
    lines = ["bars:"] if rows else []
    lines += [f"  {_title(row)}: {_bar(row.bar, row.problem)}" for row in rows if row.bar is not None]
    return "\n".join([*lines, *(["wrong or failed:", *wrong] if wrong else [])])


def _lines(row: Row, can: Ceilings) -> Iterator[str]:
    yield f"\n{_title(row)}"
    if row.problem is not None:
        yield f"  {row.problem}"
        return
    ours = row.times[OURS].median_ms
    limit = "copying" if row.moved / can.copy_bytes_per_second * 1e3 >= row.floor_ms * 0.999 else "multiplying"
    yield (
        f"  {_named(OURS, row)}{ours:>11.4g} ms   {row.of_copy_bandwidth or 0:.0%} of copy bandwidth,"
        f" {row.of_matrix_rate or 0:.0%} of matrix rate; no less than {row.floor_ms:.4g} ms, by {limit}"
    )
    for name, time in row.times.items():
        if name != OURS:
            yield f"  {_named(name, row)}{time.median_ms:>11.4g} ms   {time.median_ms / ours:.2f} times ours"
    for name, why in row.absent.items():
        yield f"  {name:<{NAMES}}   {why}"
    if row.bar is not None:
        yield f"  bar: {_bar(row.bar, None)}"


def _title(row: Row) -> str:
    sizes = " ".join(f"{axis}={size:,}" for axis, size in row.size.items())
    return f"{row.operation} · {row.variant} · {sizes} · {row.dtype}"


def _named(name: str, row: Row) -> str:
    ran = f" ({row.ran})" if name == OURS and row.ran else ""
    held = f", {row.peak_bytes[name] / 2**20:.0f} MiB" if name in row.peak_bytes else ""
    note = f", {row.memory[name]}" if name in row.memory else ""
    return f"{name + ran + held + note:<{NAMES}}"


def _bar(bar: Reached, problem: str | None) -> str:
    asked = (
        f"{bar.least:.0%} of {bar.of}" if bar.of in ("copy bandwidth", "matrix rate") else f"{bar.least:g} × {bar.of}"
    )
    if bar.reached is None:
        return f"{asked}: {problem or 'not measured'}"
    return f"{asked}: {bar.reached:.2f}, {'met' if bar.met else 'NOT met'}"


def _rate(value: float, unit: str) -> str:
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:.3g} {letter}{unit}"
    return f"{value:.3g} {unit}"


def _versions(packages: object) -> str:
    return ", ".join(f"{name} {number}" for name, number in packages.items()) if isinstance(packages, Mapping) else ""
