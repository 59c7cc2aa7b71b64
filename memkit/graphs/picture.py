"""A graph as a picture: SVG, made of nothing but the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from memkit.graphs.around import found, heaviest, neighbourhood
from memkit.graphs.layout import REACH, Edge, placed
from memkit.graphs.networks import CONTEXT, FACT, NAME, PASSAGE, SYNONYM, title_of
from memkit.graphs.shapes import CENTRE, FRAME, INK, PAPER, RELATION, STROKES, Box, Point, border, line
from memkit.values import KnowledgeGraph

MARGIN = 16.0
LEGEND = 34.0  # pixels below the graph
NARROWEST = 240


class Picture(str):
    """SVG as a text. A notebook shows it; write it to a file in UTF-8 to keep it."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


def picture(
    graph: KnowledgeGraph,
    *,
    around: str | Sequence[str] | None = None,
    hops: int = 1,
    most: int = 40,
    width: int = 760,
) -> Picture:
    """Names, passages, and what joins them, as SVG `width` pixels wide and as high as it needs to be.

    With `around` only the `neighbourhood` of one or several names. Of more than `most` names and passages those with the
    heaviest edges are shown. Names are round and blue, passages are sheets; facts are arrows with their relations, a dotted
    line says that a passage mentions a name, a dashed one that two names mean the same. No box lies on another. It has a light
    ground of its own, for pages of any colour. The same graph gives the same picture. Raises ValueError for an empty graph, for
    what `neighbourhood` refuses, and for less than 240 pixels or one thing to show.
    """
    if width < NARROWEST:
        raise ValueError(f"width is {width}; it must be at least {NARROWEST} pixels")
    if most < 1:
        raise ValueError(f"most is {most}; it must be at least 1")
    if not (graph.names or graph.passages):
        raise ValueError("the graph is empty: there is nothing to show")
    centres: set[str] = set()
    if around is not None:
        wanted = [around] if isinstance(around, str) else around
        centres = {graph.names[place].text for one in wanted for place in found(graph, one)}
        graph = neighbourhood(graph, around, hops=hops, most=most)
    elif len(graph.names) + len(graph.passages) > most:
        graph = heaviest(graph, most)
    return _drawn(_sketch(graph, centres), width)


@dataclass(frozen=True, slots=True)
class Tie:
    """A line of a kind from one box to another, by way of the box with its label if there is one; with `tip` an arrow."""

    kind: str
    start: int
    end: int
    label: int | None = None
    tip: bool = False


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is to be drawn, without places."""

    boxes: list[Box]
    ties: list[Tie]


def _sketch(graph: KnowledgeGraph, centres: set[str]) -> Sketch:
    boxes = [
        Box.of(CENTRE if name.text in centres else NAME, name.shown or name.text, hint=name.shown)
        for name in graph.names
    ]
    boxes += [Box.of(PASSAGE, title_of(one) or one.text[:80], hint=one.text) for one in graph.passages]
    place = {name.text: number for number, name in enumerate(graph.names)}
    ties = [Tie(CONTEXT, len(graph.names) + one.passage, one.name) for one in graph.mentions]
    for (start, end), relations in _relations(graph).items():
        ties.append(Tie(FACT, place[start], place[end], len(boxes), tip=start != end))
        boxes.append(Box.of(RELATION, ", ".join(relations), hint="\n".join(relations), colour=STROKES[FACT]))
    for pair in graph.synonyms:
        ties.append(Tie(SYNONYM, pair.a, pair.b, len(boxes)))
        boxes.append(Box.of(RELATION, f"≈ {pair.cosine:.2f}", colour=STROKES[SYNONYM]))
    return Sketch(boxes, ties)


def _relations(graph: KnowledgeGraph) -> dict[tuple[str, str], list[str]]:
    """What is told of each pair of names, in each direction, without repetition."""
    told: dict[tuple[str, str], dict[str, None]] = {}
    for one in graph.facts:
        told.setdefault((one.fact.subject, one.fact.object), {})[one.fact.told[1]] = None
    return {pair: list(relations) for pair, relations in told.items()}


def _drawn(sketch: Sketch, width: int) -> Picture:
    sizes = [box.size for box in sketch.boxes]
    edges = [edge for tie in sketch.ties for edge in _edges(tie)]
    inner = max(width - 2 * MARGIN, max(size[0] for size in sizes))
    wide = inner + 2 * MARGIN
    points = placed(sizes, edges, inner) + MARGIN
    bottom = max(float(point[1]) + size[1] / 2 for point, size in zip(points, sizes, strict=True))
    high = bottom + MARGIN + LEGEND
    lined = "".join(_tied(tie, sketch.boxes, points) for tie in sketch.ties)
    order = sorted(range(len(sizes)), key=lambda number: sketch.boxes[number].kind != RELATION)  # these lie below
    boxed = "".join(sketch.boxes[number].drawn(points[number]) for number in order)
    kinds = {box.kind for box in sketch.boxes} | {tie.kind for tie in sketch.ties}
    legend = "".join(_legend(kinds, bottom + MARGIN + LEGEND / 2))
    names = [box.lines[0] for box in sketch.boxes if box.kind in (NAME, CENTRE)]
    about = escape(f"A graph of {len(names)} names, such as {', '.join(names[:3])}" if names else "A graph of passages")
    return Picture(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{high:.0f}" '
        f'viewBox="0 0 {wide:.0f} {high:.0f}" role="img" aria-label="{about}" text-anchor="middle" '
        f'font-family="Helvetica, Arial, sans-serif">'
        f'<rect x="0.5" y="0.5" width="{wide - 1:.0f}" height="{high - 1:.0f}" rx="8" fill="{PAPER}" stroke="{FRAME}"/>'
        f"{lined}{boxed}{legend}</svg>\n"
    )


def _edges(tie: Tie) -> list[Edge]:
    if tie.label is None:
        return [(tie.start, tie.end, REACH)]
    return [(tie.start, tie.label, REACH / 4), (tie.label, tie.end, REACH / 4)]


def _tied(tie: Tie, boxes: Sequence[Box], points: Point) -> str:
    """The line from border to border; a parabola through the middle of its label if it has one."""
    start, end = points[tie.start], points[tie.end]
    by = points[tie.label] if tie.label is not None else (start + end) / 2
    towards = by if tie.start == tie.end else _bend(start, by, end)
    leaves = border(start, boxes[tie.start].size, towards)
    arrives = border(end, boxes[tie.end].size, towards)
    return line(tie.kind, leaves, _bend(leaves, by, arrives), arrives, tip=tie.tip)


def _bend(start: Point, by: Point, end: Point) -> Point:
    """Where a parabola from `start` to `end` must be drawn to, to pass `by` as early as that is near the start."""
    before, after = (float(np.hypot(*(by - one))) for one in (start, end))
    t = min(0.8, max(0.2, before / (before + after))) if before + after else 0.5
    return np.asarray((by - (1 - t) ** 2 * start - t**2 * end) / (2 * t * (1 - t)))


def _legend(kinds: set[str], y: float) -> Iterator[str]:
    """What the shapes and lines mean, as far as they are in the picture."""
    x = MARGIN
    for kind, text in (
        (NAME, "name"),
        (PASSAGE, "passage"),
        (FACT, "fact"),
        (CONTEXT, "mentions"),
        (SYNONYM, "means the same"),
    ):
        if kind not in kinds and not (kind == NAME and CENTRE in kinds):
            continue
        if kind in (NAME, PASSAGE):
            box = Box.of(kind, text)
            wide = box.size[0]
            yield box.drawn(np.array([x + wide / 2, y]))
        else:
            start, end = np.array([x, y]), np.array([x + 34.0, y])
            yield line(kind, start, (start + end) / 2, end, tip=kind == FACT)
            yield f'<text x="{x + 41:.1f}" y="{y + 4:.1f}" font-size="12" fill="{INK}" text-anchor="start">{text}</text>'
            wide = 41 + 7.0 * len(text)
        x += wide + 18
