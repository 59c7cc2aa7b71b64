"""What a picture is drawn with: boxes and lines as pieces of SVG. A kind has a colour of its own and a shape of its own."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from memkit.graphs.lettering import lines, width
from memkit.graphs.networks import CONTEXT, FACT, NAME, PASSAGE, SYNONYM
from memkit.graphs.xml import harmless

Point = NDArray[np.float64]

PAPER, INK, FRAME = "#fbfcfe", "#1f2933", "#cbd5e1"
CENTRE = "centre"  # a name that the picture is around
RELATION = "relation"
FILLS = {NAME: "#e3eefb", CENTRE: "#2563a8", PASSAGE: "#fff3d6"}
STROKES = {
    NAME: "#2563a8",
    CENTRE: "#1b4a80",
    PASSAGE: "#a86a12",
    FACT: "#475569",
    CONTEXT: "#c08a3e",
    SYNONYM: "#2f7d4f",
}
DASHES = {FACT: "", CONTEXT: ' stroke-dasharray="2 4"', SYNONYM: ' stroke-dasharray="8 4"'}
FOLD = 9.0  # pixels of the corner of a passage that is turned down
ARROW = 8.0


@dataclass(frozen=True, slots=True)
class Face:
    """The size of letters, the pixels around them, and how many lines of how many pixels there may be."""

    size: float
    pad: tuple[float, float]
    most: float
    count: int


FACES = {
    NAME: Face(13, (11, 6), 150, 3),
    CENTRE: Face(13, (11, 6), 150, 3),
    PASSAGE: Face(12, (12, 7), 140, 2),
    RELATION: Face(11, (3, 1), 120, 2),
}
LEADING = 1.25  # of a line, as a multiple of the letters' size


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A text in a shape. `kind` is "name", "centre", "passage" or "relation", `hint` what a pointer over it shows."""

    kind: str
    lines: tuple[str, ...]
    hint: str
    colour: str = INK

    @staticmethod
    def of(kind: str, text: str, *, hint: str | None = None, colour: str = INK) -> Box:
        face = FACES[kind]
        text = harmless(text)
        shown = tuple(lines(text, face.size, face.most, face.count))
        return Box(kind=kind, lines=shown, hint=harmless(hint or text), colour=colour)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        face = FACES[self.kind]
        wide = max(width(line, face.size) for line in self.lines)
        return max(24.0, wide + 2 * face.pad[0]), len(self.lines) * face.size * LEADING + 2 * face.pad[1]

    def drawn(self, centre: Point) -> str:
        wide, high = self.size
        x, y = centre[0] - wide / 2, centre[1] - high / 2
        hint = f"<title>{escape(self.hint)}</title>"
        return f"<g>{hint}{self._shape(x, y, wide, high)}{self._letters(centre)}</g>"

    def _shape(self, x: float, y: float, wide: float, high: float) -> str:
        if self.kind == RELATION:
            return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{PAPER}"/>'
        paint = f'fill="{FILLS[self.kind]}" stroke="{STROKES[self.kind]}" stroke-width="1.4"'
        if self.kind == PASSAGE:
            right, bottom = x + wide, y + high
            outline = f"M{x:.1f} {y:.1f}H{right - FOLD:.1f}L{right:.1f} {y + FOLD:.1f}V{bottom:.1f}H{x:.1f}Z"
            corner = f"M{right - FOLD:.1f} {y:.1f}V{y + FOLD:.1f}H{right:.1f}"
            return f'<path d="{outline}{corner}" {paint} stroke-linejoin="round"/>'
        round_ = min(high / 2, 16)
        return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="{round_:.1f}" {paint}/>'

    def _letters(self, centre: Point) -> str:
        face = FACES[self.kind]
        top = centre[1] - (len(self.lines) - 1) * face.size * LEADING / 2 + face.size * 0.35
        colour = "#ffffff" if self.kind == CENTRE else self.colour
        style = ' font-style="italic"' if self.kind == RELATION else ' font-weight="600"' if self.kind == CENTRE else ""
        return "".join(
            f'<text x="{centre[0]:.1f}" y="{top + number * face.size * LEADING:.1f}" font-size="{face.size:g}" '
            f'fill="{colour}"{style}>{escape(line)}</text>'
            for number, line in enumerate(self.lines)
        )


def line(kind: str, start: Point, bend: Point, end: Point, *, tip: bool = False) -> str:
    """A parabola in the line of a kind, drawn towards `bend` and away from it; with `tip` it ends in an arrow."""
    path = "".join(f"{letter}{at[0]:.1f} {at[1]:.1f}" for letter, at in (("M", start), ("Q", bend), (" ", end)))
    drawn = f'<path d="{path}" fill="none" stroke="{STROKES[kind]}" stroke-width="1.4"{DASHES[kind]}/>'
    return drawn + _arrow(bend, end, STROKES[kind]) if tip else drawn


def border(centre: Point, size: tuple[float, float], towards: Point) -> Point:
    """Where the way from the middle of a box to a point outside it leaves the box; the middle, when the point is in it."""
    way = towards - centre
    reach = np.abs(way) / (np.array(size) / 2)
    most = float(reach.max())
    return centre if most <= 1 else centre + way / most


def _arrow(start: Point, end: Point, colour: str) -> str:
    way = end - start
    length = float(np.hypot(*way))
    if length < 1e-6:
        return ""
    ahead = way / length * ARROW
    aside = np.array([-ahead[1], ahead[0]]) * 0.45
    corners = " ".join(f"{one[0]:.1f},{one[1]:.1f}" for one in (end, end - ahead + aside, end - ahead - aside))
    return f'<polygon points="{corners}" fill="{colour}"/>'
