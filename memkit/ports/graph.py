"""What extractions say, as one graph: names and passages, the facts between names, and which names mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from memkit.ports.shelf import Postings, Shelf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memkit.values import Fact
    from memkit_kernels.ppr import Graph as Walk


class Vectors(Protocol):
    """The vectors of N things, in their order. Vectors have unit length where the space is normalised."""

    @property
    def size(self) -> int: ...

    def scores(self, vector: NDArray[np.float32], /) -> NDArray[np.float32]:
        """The inner product with each, [N]; -1 for one without a vector."""
        ...

    def nearest(self, vectors: NDArray[np.float32], k: int, /) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """For each of the vectors [M, dimension] the k things with the largest inner products, best first, and these: both
        [M, k], filled up with -1 where there are fewer. Exact; of equal ones the lower number first."""
        ...

    def range(self, vector: NDArray[np.float32], /) -> tuple[float, float]:
        """The smallest and the largest inner product; (0, 0) when nothing has a vector."""
        ...


class Graph(Protocol):
    """All extractions of one component in one scope, woven (`memkit.values.Weave`), at one moment. It never changes.

    There are R passages (the rows of `shelf`), N names, F facts, and V nodes: every name is a node, and every passage is one
    if the weave has context edges. A name or a fact is here as long as a passage has it. Numbers of names and facts count from 0
    in the order in which they came; a graph made anew may number them differently.
    """

    @property
    def shelf(self) -> Shelf:
        """The component's records: row r is passage r."""
        ...

    @property
    def walk(self) -> Walk:
        """The edges, undirected, with their weights: what personalised PageRank walks on."""
        ...

    @property
    def name_node(self) -> NDArray[np.int32]:
        """[N] the node of each name."""
        ...

    @property
    def passage_node(self) -> NDArray[np.int32]:
        """[R] the node of each passage; -1 when passages are no nodes."""
        ...

    @property
    def node_name(self) -> NDArray[np.int32]:
        """[V] the name that a node is; -1 for a passage."""
        ...

    @property
    def node_passage(self) -> NDArray[np.int32]:
        """[V] the passage that a node is; -1 for a name."""
        ...

    @property
    def mentions(self) -> NDArray[np.int32]:
        """[N] in how many passages each name is: |P_i| of HippoRAG's node specificity."""
        ...

    @property
    def subject(self) -> NDArray[np.int32]:
        """[F] the name that each fact begins with."""
        ...

    @property
    def object(self) -> NDArray[np.int32]:
        """[F] the name that each fact ends with."""
        ...

    @property
    def name_vectors(self) -> Vectors: ...
    @property
    def fact_vectors(self) -> Vectors: ...

    def find(self, names: Sequence[str], /) -> NDArray[np.int32]:
        """The numbers of names by their exact texts; -1 for one that is not here."""
        ...

    def naming(self, text: str, /) -> Postings:
        """The names that hold each word of the text: `rows` are their numbers."""
        ...

    def names(self, numbers: Sequence[int], /) -> list[str]:
        """The texts of names."""
        ...

    def facts(self, numbers: Sequence[int], /) -> list[Fact]:
        """Facts, as the first passage that has them tells them."""
        ...

    def names_in(self, passage: int, /) -> NDArray[np.int32]:
        """The names that a passage is linked to, ascending."""
        ...

    def facts_in(self, passage: int, /) -> NDArray[np.int32]:
        """The facts that a passage tells, ascending."""
        ...

    def naming_passages(self, name: int, /) -> NDArray[np.int32]:
        """The passages that a name is linked to, ascending."""
        ...

    def telling_passages(self, fact: int, /) -> NDArray[np.int32]:
        """The passages that tell a fact, ascending."""
        ...

    def telling(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """All (fact, passage) pairs, [T] each, by passage: docs_to_facts of HippoRAG 1."""
        ...

    def synonyms(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
        """The synonym edges: names a < b and the larger cosine, [S] each."""
        ...

    def within(self, passages: NDArray[np.bool_], /) -> Graph:
        """The graph that these passages [R] make by themselves: for a question about an earlier time. Takes time in
        proportion to the whole graph."""
        ...
