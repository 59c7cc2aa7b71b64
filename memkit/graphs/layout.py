"""Where the boxes of a picture go. It knows their sizes and which are joined, not what they are.

Distances in the picture follow those in the graph: stress majorisation (Gansner, Koren and North, GD 2004) from the start that
classical scaling gives. Then boxes are moved apart. There is no chance in it: the same graph gives the same picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Edge = tuple[int, int, float]  # two boxes, and how many pixels of the line between are to be seen, where there is room

GAP = 14.0  # pixels between two boxes, at least
REACH = 34.0  # pixels of a usual edge
FLAT = 0.62  # height of a picture as a share of its width, before boxes are moved apart: screens and pages are wide
MOST_UNEVEN = 1.6  # how much more the graph may be stretched one way than the other
ROUNDS = 200


def placed(sizes: Sequence[tuple[float, float]], edges: Sequence[Edge], width: float) -> Points:
    """The centres [N, 2] of N boxes of these widths and heights. No two boxes touch; all lie between 0 and `width`, if none is
    wider, and from 0 downwards."""
    boxes = np.array(sizes, np.float64).reshape(-1, 2)
    if not len(boxes):
        return np.empty((0, 2))
    points = _majorised(_distances(boxes, edges))
    return _apart(_fitted(points, boxes, width), boxes, width)


def _distances(boxes: Points, edges: Sequence[Edge]) -> Points:
    """How far apart any two boxes should be: the lengths of the edges between, added up (Floyd and Warshall); where there
    is no way, nearly as far as the farthest."""
    size = len(boxes)
    extent: NDArray[np.float64] = np.sqrt(boxes.prod(axis=1))
    far = np.full((size, size), np.inf)
    np.fill_diagonal(far, 0)
    for one, other, reach in edges:
        if one != other:
            far[one, other] = far[other, one] = min(far[one, other], (extent[one] + extent[other]) / 2 + reach)
    for between in range(size):
        np.minimum(far, far[:, between, None] + far[None, between], out=far)
    known = far[np.isfinite(far)]
    return np.asarray(np.where(np.isfinite(far), far, known.max(initial=0.0) * 0.7 + 2 * REACH))


def _majorised(far: Points) -> Points:
    """Points whose distances come near to these, near ones above all."""
    size = len(far)
    if size == 1:
        return np.zeros((1, 2))
    points: Points = _scaled(far)
    weights = 1 / np.where(far > 0, far, np.inf) ** 2
    laplacian = np.diag(weights.sum(axis=1)) - weights
    inverse = np.linalg.pinv(laplacian)
    for _ in range(ROUNDS):
        differences = points[:, None] - points[None]
        lengths = np.sqrt((differences**2).sum(axis=2))
        pull = weights * far / np.where(lengths > 1e-9, lengths, np.inf)
        points = np.asarray(inverse @ ((np.diag(pull.sum(axis=1)) - pull) @ points))
    return points


def _scaled(far: Points) -> Points:
    """Classical scaling (Torgerson 1952), its signs fixed; a little bent, so that no two points are one."""
    size = len(far)
    centre = np.eye(size) - 1 / size
    _, vectors = np.linalg.eigh(-0.5 * centre @ far**2 @ centre)
    axes = vectors[:, [-1, -2]] * far.max()
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1)
    turn = np.arange(size) * 2.399963  # the golden angle
    return np.asarray(axes + far.max() * 1e-2 * np.stack((np.cos(turn), np.sin(turn)), axis=1))


def _fitted(points: Points, boxes: Points, width: float) -> Points:
    """Turned so that the longest way lies across, and stretched to the width, or less where there is little."""
    points = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(points, full_matrices=False)
    turned = points @ axes.T if len(axes) == 2 else points
    spread = np.ptp(turned, axis=0)
    room = np.array([width, width * FLAT]) - boxes.max(axis=0)
    need = np.sqrt(((boxes + GAP + REACH / 2).prod(axis=1)).sum() * 2)  # as a square; the boxes fill half of it
    room = np.minimum(room, np.array([1.3 * need, need]))
    scale = np.maximum(room, 0) / np.maximum(spread, 1e-9)
    return np.asarray(turned * np.minimum(scale, MOST_UNEVEN * scale[::-1]))


def _apart(points: Points, boxes: Points, width: float) -> Points:
    """Move boxes out of each other, the shorter way; where that does not end, downwards."""
    half = boxes / 2
    low, high = half[:, 0], np.maximum(width - half[:, 0], half[:, 0])
    points = points - (points - half).min(axis=0)
    points[:, 0] += (width - (points + half)[:, 0].max()) / 2
    for _ in range(ROUNDS):
        points[:, 0] = np.clip(points[:, 0], low, high)
        differences = points[:, None] - points[None]
        lacking = half[:, None] + half[None] + GAP - np.abs(differences)
        meeting = np.asarray((lacking > 1e-6).all(axis=2)) & ~np.eye(len(points), dtype=np.bool_)
        if not meeting.any():
            break
        across = lacking[..., 0] < lacking[..., 1]
        step = np.where(across[..., None], [1.0, 0.0], [0.0, 1.0]) * lacking * np.where(differences < 0, -1, 1)
        later = np.tri(len(points), k=-1)[..., None] * 2 - 1  # two at one place: the later one goes down
        step = np.where(differences == 0, np.abs(step) * later, step)
        points = points + 0.26 * (step * meeting[..., None]).sum(axis=1)
    return _sunk(points, half)


def _sunk(points: Points, half: Points) -> Points:
    """From the top down each box as high as it is, or just below those that it meets."""
    done: list[int] = []
    for one in np.argsort(points[:, 1] - half[:, 1], kind="stable").tolist():
        beside = [
            other
            for other in done
            if abs(points[one, 0] - points[other, 0]) < half[one, 0] + half[other, 0] + GAP - 1e-3
        ]
        for other in sorted(beside, key=lambda two: points[two, 1] - half[two, 1]):
            if abs(points[one, 1] - points[other, 1]) < half[one, 1] + half[other, 1] + GAP - 1e-3:
                points[one, 1] = points[other, 1] + half[one, 1] + half[other, 1] + GAP
        done.append(one)
    points[:, 1] -= (points - half)[:, 1].min()
    return points
