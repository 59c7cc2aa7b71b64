"""GraphML, which networkx, yEd, Gephi and Cytoscape read."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import networkx as nx

from memkit.graphs.networks import to_networkx
from memkit.graphs.xml import harmless
from memkit.values import KnowledgeGraph


def write_graphml(graph: KnowledgeGraph, path: str | os.PathLike[str]) -> None:
    """Write the graph as `to_networkx` makes it. Nodes are called n0, n1, … as a name is no identifier of XML; what they
    are is in their attributes, and `from_networkx(networkx.read_graphml(path))` reads it back. Characters that XML
    cannot hold are replaced by a sign. A file that is there is replaced, as a whole or not at all."""
    made = to_networkx(graph)
    for _, told in made.nodes(data=True):
        _harmless(told)
    for _, _, told in made.edges(data=True):
        _harmless(told)
    numbered = nx.relabel_nodes(made, {node: f"n{number}" for number, node in enumerate(made)})
    written = io.BytesIO()
    nx.write_graphml_xml(numbered, written)
    place = Path(path)
    unfinished = place.with_name(f".{place.name}.{os.getpid()}.new")
    try:
        unfinished.write_bytes(written.getvalue())
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)


def _harmless(told: dict[str, Any]) -> None:
    for name, value in told.items():
        if isinstance(value, str):
            told[name] = harmless(value)
