"""How well recall finds, beside the baselines, on the same texts with the same vectors, in one run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from baselines import Bm25, Ranking, fused, nearest
from numpy.typing import NDArray

import memkit
from memkit.blocking import Blocking
from memkit.evaluation.conversations import Conversation, Turn, read
from memkit.evaluation.corpora import Corpus, cranfield, hotpotqa, musique
from memkit.evaluation.locomo import ANSWERABLE, evaluate
from memkit.evaluation.machine import machine
from memkit.evaluation.measures import Outcome, figures, ndcg, recall
from memkit.ports import Embedder

DEEP = 20  # hits asked for

Rank = Callable[[int], Ranking]  # from the number of a question


def locomo(data: Path, embedder: Embedder | None) -> dict[str, object]:
    """Memkit with and without the embedder; the baselines over the bare text and over date, speaker, text and caption."""
    file = data / "locomo" / "locomo.json"
    memkit_itself = {"words only": evaluate(file)}
    if embedder is not None:
        memkit_itself["with vectors"] = evaluate(file, embedder=embedder)
    talks = read(file)
    baselines = {}
    for name, shown in (("text", _bare), ("date, speaker, text, caption", _whole)):
        outcomes: dict[str, list[Outcome]] = {}
        for talk in talks:
            for ranker, every in _baselines_of(talk, shown, embedder).items():
                outcomes.setdefault(ranker, []).extend(every)
        baselines.update({f"{ranker}, {name}": figures(every) for ranker, every in outcomes.items()})
    return {"machine": machine(), "memkit": memkit_itself, "baselines, categories 1-4": baselines}


def documents(data: Path, embedder: Embedder | None) -> dict[str, object]:
    """MuSiQue, HotpotQA and Cranfield: recall at 2, 5 and 10 of the passages that help, and nDCG at 10."""
    found = {}
    for corpus in (musique(data / "musique"), hotpotqa(data / "hotpotqa"), cranfield(data / "cranfield")):
        rankers = {"memkit, words only": _memkit(corpus, None)}
        if embedder is not None:
            rankers["memkit, with vectors"] = _memkit(corpus, embedder)
        texts = [f"{passage.title}\n{passage.text}" for passage in corpus.passages]
        rankers |= _rankers(texts, [question.text for question in corpus.questions], embedder)
        found[corpus.name] = {name: _judged(corpus, rank) for name, rank in rankers.items()}
    return {"machine": machine(), "results": found}


def _baselines_of(
    talk: Conversation, shown: Callable[[Turn], str], embedder: Embedder | None
) -> dict[str, list[Outcome]]:
    questions = [question for question in talk.questions if question.category in ANSWERABLE]
    rankers = _rankers([shown(turn) for turn in talk.turns], [question.text for question in questions], embedder)
    return {
        name: [
            Outcome.of([talk.turns[row].name for row in rank(number)], question.evidence)
            for number, question in enumerate(questions)
        ]
        for name, rank in rankers.items()
    }


def _rankers(texts: Sequence[str], questions: Sequence[str], embedder: Embedder | None) -> dict[str, Rank]:
    bm25 = Bm25(texts)

    def words(number: int) -> Ranking:
        return bm25.rank(questions[number])

    if embedder is None:
        return {"BM25": words}
    vectors, asked = embedded(embedder, texts, query=False), embedded(embedder, questions, query=True)

    def meaning(number: int) -> Ranking:
        return nearest(vectors, asked[number])

    return {"BM25": words, "vectors": meaning, "RRF": lambda number: fused(words(number), meaning(number))}


def _memkit(corpus: Corpus, embedder: Embedder | None) -> Rank:
    """The passages that memkit's hits come from: a passage is a document of its own."""
    with TemporaryDirectory() as folder, memkit.open(Path(folder) / "memory.db", embedder=embedder) as memory:
        filled = [number for number, one in enumerate(corpus.passages) if one.text]  # two of Cranfield's are blank
        passages = [corpus.passages[number] for number in filled]
        receipt = memory.add([memkit.Document(text=one.text, title=one.title) for one in passages])
        place = dict(zip(receipt.ids, filled, strict=True))
        rankings = []
        for question in corpus.questions:
            hits = memory.recall(question.text, k=DEEP, floor=0)
            rankings.append(list(dict.fromkeys(place[event] for hit in hits for event in hit.events)))
    return rankings.__getitem__


def _judged(corpus: Corpus, rank: Rank) -> Mapping[str, float]:
    every = []
    for number, question in enumerate(corpus.questions):
        ranking, gain = rank(number), question.gain
        every.append([*(recall(ranking, gain, k) for k in (2, 5, 10)), ndcg(ranking, gain, 10)])
    means = np.mean(every, axis=0).round(4).tolist()
    return {"questions": len(every), **dict(zip(("recall@2", "recall@5", "recall@10", "ndcg@10"), means, strict=True))}


def embedded(embedder: Embedder, texts: Sequence[str], *, query: bool) -> NDArray[np.float32]:
    """The vectors of the texts, of length 1."""
    blocking = Blocking()
    try:
        vectors = blocking.run(lambda: embedder.embed(texts, query=query))
    finally:
        blocking.close()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _bare(turn: Turn) -> str:
    return turn.text


def _whole(turn: Turn) -> str:
    date = "" if turn.at is None else f"{turn.at.day} {turn.at:%B} {turn.at.year}"
    return f"{date} {turn.author}: {turn.text} {turn.caption or ''}"
