"""Draw the pictures of the docs anew: `python docs/pictures.py`. With --check, change nothing and fail if one shows something
else than it would now; places may differ by pixels from machine to machine.

`images/hipporag.svg` is the neighbourhood of "Lisbon" in the graph that HippoRAG's rules read out of the twelve passages below,
without a model.
"""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import memkit
from memkit.components.hipporag import HippoRAG
from memkit.graphs import Picture, picture
from memkit.values import Document, KnowledgeGraph

IMAGES = Path(__file__).parent / "images"

PASSAGES = {
    "Lisbon": "Lisbon is the capital of Portugal. It lies at the mouth of the Tagus.",
    "Tagus": "The Tagus rises in Spain and flows into the Atlantic Ocean at Lisbon.",
    "25 de Abril Bridge": "The 25 de Abril Bridge crosses the Tagus at Lisbon. It was opened in 1966.",
    "Carnation Revolution": "The Carnation Revolution of 25 April 1974 ended the Estado Novo. A bridge was named after it.",
    "Belém Tower": "Belém Tower stands on the bank of the Tagus. It was designed by Francisco de Arruda.",
    "Francisco de Arruda": "Francisco de Arruda was a Portuguese architect. He built the Água de Prata Aqueduct in Évora.",
    "Fernando Pessoa": "Fernando Pessoa was born in Lisbon in 1888. He wrote The Book of Disquiet.",
    "Ricardo Reis": "Ricardo Reis is a heteronym of Fernando Pessoa.",
    "José Saramago": "José Saramago wrote The Year of the Death of Ricardo Reis, a novel set in Lisbon.",
    "Vasco da Gama": "Vasco da Gama sailed from Lisbon in 1497 and reached India in 1498.",
    "The Lusiads": "Luís de Camões wrote The Lusiads about the voyage of Vasco da Gama.",
    "Jerónimos Monastery": "The Jerónimos Monastery in Belém holds the tombs of Vasco da Gama and Luís de Camões.",
}


def graph() -> KnowledgeGraph:
    """What the rules read out of the passages."""
    with memkit.open(":memory:", components=[HippoRAG()]) as memory:
        memory.add([Document(title=title, text=text) for title, text in PASSAGES.items()])
        return memory.graph()


def pictures() -> dict[str, Picture]:
    """The pictures by the names of their files."""
    return {"hipporag.svg": picture(graph(), around="Lisbon", hops=2, most=24)}


def shown(svg: str) -> list[str]:
    """The texts in a picture: names, titles and relations."""
    return sorted(html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)<", svg))


def main() -> None:
    check = "--check" in sys.argv[1:]
    stale = []
    for name, drawn in pictures().items():
        file = IMAGES / name
        if not file.exists() or shown(file.read_text(encoding="utf-8")) != shown(drawn):
            stale.append(name)
        if not check:
            file.write_text(drawn, encoding="utf-8")
    print(f"{'out of date' if check else 'new'}: {', '.join(stale) or 'nothing'}")
    sys.exit(bool(check and stale))


if __name__ == "__main__":
    main()
