"""Models from short texts, as they stand in a configuration file or on a command line."""

from __future__ import annotations

from memkit.ports import ChatModel, Embedder, TokenScorer


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


def llm_from(spec: str) -> ChatModel:
    """The chat model that a text names: "openai:NAME" is a model of OpenAI's, or of the server that OPENAI_BASE_URL names.
    The key comes from OPENAI_API_KEY."""
    kind, _, name = spec.partition(":")
    if kind != "openai" or not name:
        raise ValueError(f'a chat model is named as in "openai:NAME", not {spec!r}; or give a ChatModel itself')
    from memkit.models.openai_chat import OpenAIChat

    return OpenAIChat(name)


def scorer_from(spec: str) -> TokenScorer:
    """The token model that a text names: "adaptive", which needs no weights, or the folder or name of a causal model of
    transformers, whose files are on this machine."""
    if not spec:
        raise ValueError('a token model is "adaptive", or the folder or name of a causal model; not an empty text')
    if spec == "adaptive":
        from memkit.models.adaptive import AdaptiveScorer

        return AdaptiveScorer()
    from memkit.models.causal import CausalScorer

    return CausalScorer(spec)
