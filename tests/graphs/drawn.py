"""Graphs to test with: a small one written by hand, and any."""

from collections.abc import Sequence

from hypothesis import strategies as st

from memkit.values import EPOCH, Fact, KnowledgeGraph, Mention, Name, Record, Source, Synonym, Told

Told4 = tuple[str, str, str, tuple[int, ...]]


def record(number: int, text: str, title: str | None = None) -> Record:
    return Record(
        text=text,
        sources=(Source(event=f"event-{number}", start=0, end=len(text)),),
        namespace="default",
        component="hipporag",
        at=EPOCH,
        recorded=EPOCH,
        metadata={} if title is None else {"title": title},
        id=number,
    )


def graph_of(
    passages: Sequence[Record],
    facts: Sequence[Told4],
    mentions: Sequence[tuple[int, str]],
    synonyms: Sequence[tuple[str, str, float]] = (),
    names: Sequence[str] = (),
) -> KnowledgeGraph:
    """The graph of these facts (subject, relation, object, passages) and mentions (passage, name), names as they are written;
    what they are known by is in small letters."""
    shown = {name.lower(): name for name in names} | {name.lower(): name for s, _, o, _ in facts for name in (s, o)}
    shown |= {name.lower(): name for _, name in mentions} | {name.lower(): name for s in synonyms for name in s[:2]}
    texts = sorted(shown)
    return KnowledgeGraph(
        names=tuple(Name(text, shown[text]) for text in texts),
        passages=tuple(passages),
        facts=tuple(
            Told(Fact(s.lower(), r.lower(), o.lower(), shown=(s, r, o)), told, float(len(told)))
            for s, r, o, told in facts
        ),
        mentions=tuple(Mention(passage, texts.index(name.lower()), 1.0) for passage, name in mentions),
        synonyms=tuple(
            Synonym(*sorted((texts.index(one.lower()), texts.index(other.lower()))), cosine)
            for one, other, cosine in synonyms
        ),
    )


BRIDGE = graph_of(
    [
        record(3, "The 25 de Abril Bridge is in Lisbon.", "25 de Abril Bridge"),
        record(7, "Lisbon is the capital of Portugal.", "Lisbon"),
        record(9, "Lisboa lies at the Tagus."),
    ],
    [
        ("25 de Abril Bridge", "is in", "Lisbon", (0,)),
        ("Lisbon", "is the capital of", "Portugal", (1,)),
        ("Lisboa", "lies at", "Tagus", (2,)),
    ],
    [
        (0, "25 de Abril Bridge"),
        (0, "Lisbon"),
        (1, "Lisbon"),
        (1, "Portugal"),
        (2, "Lisboa"),
        (2, "Tagus"),
    ],
    [("Lisbon", "Lisboa", 0.9)],
)

# Letters that are the same in small and capital letters, so that every name written is a name of its own; no blanks at ends.
words = st.text(alphabet="abcdeéλ字 \"<&'>\n", min_size=1, max_size=8).map(lambda text: " ".join(text.split()) or "a")


@st.composite
def graphs(draw: st.DrawFn, texts: st.SearchStrategy[str] = words) -> KnowledgeGraph:
    """Any graph: passages with and without titles, names without facts, facts about themselves and of several passages."""
    bodies = draw(
        st.lists(st.tuples(texts, st.none() | texts), max_size=5, unique_by=lambda one: f"{one[1]}\n{one[0]}")
    )
    passages = [record(number * 3 + 1, text, title) for number, (text, title) in enumerate(bodies)]
    names = draw(st.lists(texts, min_size=1, max_size=6, unique=True))
    name = st.sampled_from(names)
    places = st.sampled_from(range(len(passages))) if passages else st.nothing()
    telling = st.frozensets(places, min_size=1).map(lambda found: tuple(sorted(found))) if passages else st.just(())
    triples = draw(st.lists(st.tuples(name, texts, name), max_size=6, unique=True))
    facts = [(*triple, draw(telling)) for triple in triples]
    mentions = draw(st.lists(st.tuples(places, name), max_size=8, unique=True)) if passages else []
    pairs = draw(st.lists(st.tuples(name, name), max_size=3, unique_by=frozenset))
    synonyms = [(one, other, 0.875) for one, other in pairs if one != other]
    return graph_of(passages, facts, mentions, synonyms, names)
