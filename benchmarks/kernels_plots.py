"""Time against size as a picture: SVG, made of the rows of a kernel benchmark and nothing else.

The same rows give the same text, byte for byte, and the picture carries their sha256. `kernels_docs.py` writes the files.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

Row = Mapping[str, Any]
Line = list[tuple[int, float]]

OURS = "memkit"
WIDTH, TOP, LEFT, RIGHT, HEIGHT = 760, 46, 64, 16, 250  # pixels; HEIGHT is that of the axes
FLOOR = "as fast as this device can"
# Colours that people with any colour vision can tell apart (Okabe and Ito, 2008); ours is the first.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
INK, FAINT, PAPER = "#222222", "#dddddd", "#ffffff"


def digest(rows: Sequence[Row]) -> str:
    """What tells whether a picture belongs to these rows."""
    return hashlib.sha256(json.dumps(list(rows), sort_keys=True).encode()).hexdigest()


def variants(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The timed rows of one operation by variant and dtype, each sorted by size; those with two sizes or more."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["problem"] is None:
            name, dtype = row["variant"], row["dtype"]
            found.setdefault(name if dtype in name else f"{name}, {dtype}", []).append(row)
    return {
        name: sorted(same, key=lambda row: int(row["size"][row["along"]]))
        for name, same in found.items()
        if len(same) > 1
    }


def plot(rows: Sequence[Row], device: str) -> str:
    """The SVG of one operation's rows on one device: a panel for each variant, on logarithmic axes."""
    panels = variants(rows)
    drawn: list[str] = []
    y = 0
    for name, same in panels.items():
        panel, height = _panel(name, same, y)
        drawn += panel
        y += height
    operation = rows[0]["operation"]
    size = f'width="{WIDTH}" height="{y}"'
    told = f"Time of {operation} against size, with its competitors, on {device}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH} {y}" role="img" font-size="12"',
            f' aria-label="{escape(told)}" font-family="Helvetica, Arial, sans-serif" fill="{INK}">',
            f"<metadata>rows sha256 {digest(rows)}</metadata>",
            f'<rect {size} fill="{PAPER}"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def _panel(name: str, rows: Sequence[Row], top: int) -> tuple[list[str], int]:
    """One pair of axes with its legend below, from `top` pixels on; its height."""
    lines = _lines(rows)
    sizes = [size for line in lines.values() for size, _ in line]
    times = [ms for line in lines.values() for _, ms in line]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    first, last = math.log(min(sizes)), math.log(max(sizes))

    def place(size: int, ms: float) -> tuple[float, float]:
        across = (math.log(size) - first) / (last - first)
        up = (math.log10(ms) - low) / max(high - low, 1)
        return LEFT + 20 + across * (WIDTH - LEFT - RIGHT - 40), top + TOP + (1 - up) * HEIGHT

    bottom = top + TOP + HEIGHT
    along = rows[0]["along"]
    others = {axis: size for axis, size in rows[0]["size"].items() if axis != along}
    same = {axis: size for axis, size in others.items() if all(row["size"][axis] == size for row in rows)}
    fixed = [part for axis, size in same.items() if (part := f"{axis}={size:,}") not in name]
    title = escape(f"{rows[0]['operation']}: {', '.join([name, *fixed])}")
    drawn = [f'<text x="{LEFT}" y="{top + 22}" font-weight="bold">{title}</text>']
    drawn.append(f'<text x="{LEFT}" y="{top + 38}" fill="#555555">ms a call</text>')
    for decade in range(low, high + 1):
        _, y = place(min(sizes), 10.0**decade)
        drawn.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{FAINT}"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g}</text>')
    for size in sorted(set(sizes)):
        x, _ = place(size, min(times))
        drawn.append(f'<path d="M{x:.1f} {bottom}v4" stroke="{INK}"/>')
        drawn.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{_short(size)}</text>')
    drawn.append(f'<text x="{WIDTH - RIGHT}" y="{bottom + 34}" text-anchor="end">{escape(along)}</text>')
    legend = bottom + 34
    for at, (contestant, line) in enumerate(lines.items()):
        drawn += _line(contestant, at, [place(*point) for point in line], legend + 18 * at)
    return drawn, legend - top + 18 * len(lines) + 6


def _line(contestant: str, at: int, points: Sequence[tuple[float, float]], y: int) -> Iterator[str]:
    """A contestant's line with its dots, and its entry in the legend."""
    floor = contestant == FLOOR
    colour = INK if floor else COLOURS[at % len(COLOURS)]
    style = f'stroke="{colour}" fill="none" stroke-width="{2.5 if contestant == OURS else 1.5}"'
    style += ' stroke-dasharray="4 4"' if floor else ' stroke-dasharray="9 3"' if at >= len(COLOURS) else ""
    yield f'<path d="M{"L".join(f"{x:.1f} {up:.1f}" for x, up in points)}" {style}/>'
    if not floor:
        yield from (f'<circle cx="{x:.1f}" cy="{up:.1f}" r="3" fill="{colour}"/>' for x, up in points)
    yield f'<path d="M{LEFT} {y - 4}h24" {style}/>'
    yield f'<text x="{LEFT + 32}" y="{y}">{escape(contestant)}</text>'


def _lines(rows: Sequence[Row]) -> dict[str, Line]:
    """Each contestant's times by size, ours first, and the roofline last."""
    names = dict.fromkeys([OURS, *(name for row in rows for name in row["times"])])
    lines: dict[str, Line] = {
        name: [(row["size"][row["along"]], row["times"][name]["median_ms"]) for row in rows if name in row["times"]]
        for name in names
    }
    lines[FLOOR] = [(row["size"][row["along"]], row["floor_ms"]) for row in rows]
    return lines


def _short(size: int) -> str:
    """1,000,000 as 1M, 65,536 as 64Ki, 1,500 as 1,500."""
    for unit, letters in ((10**6, "M"), (2**20, "Mi"), (10**3, "k"), (2**10, "Ki")):
        if size >= unit and size % unit == 0:
            return f"{size // unit:,}{letters}"
    return f"{size:,}"
