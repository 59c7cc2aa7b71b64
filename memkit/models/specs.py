"""Embedders from short texts, as they stand in a configuration file or on a command line."""

from __future__ import annotations

from memkit.ports import Embedder


def embedder_from(spec: str) -> Embedder:
    """The embedder that a text names.

    "openai:NAME" is a model of OpenAI's (the key comes from OPENAI_API_KEY); anything else is the name of a
    sentence-transformers model, or a folder with one. Each library is imported only when it is asked for.
    """
    if not spec:
        raise ValueError('an embedder is "openai:NAME", a sentence-transformers name, or a folder; not an empty text')
    if spec.startswith("openai:"):
        from memkit.models.openai import OpenAIEmbedder

        return OpenAIEmbedder(spec.removeprefix("openai:"))
    from memkit.models.local import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(spec)
