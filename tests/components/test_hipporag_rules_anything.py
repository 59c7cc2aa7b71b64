"""Names and facts by rules: any language, any text, in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.components.hipporag.rules import asked, extract

# Title, text, names that must come out, names that must not.
LANGUAGES = {
    "German": (
        "Johann Wolfgang von Goethe",
        (
            "Johann Wolfgang von Goethe (* 28. August 1749 in Frankfurt am Main) war ein Dichter. Der Dichter lebte in Weimar. "
            "Er schrieb dort den Roman „Die Leiden des jungen Werthers“. Das Haus steht noch."
        ),
        {"Johann Wolfgang von Goethe", "28. August 1749", "Frankfurt", "Weimar", "Die Leiden des jungen Werthers"},
        {"Dichter", "Roman", "Haus", "Der Dichter", "Das Haus"},
    ),
    "French": (
        "Simone de Beauvoir",
        (
            "Simone de Beauvoir, née le 9 janvier 1908 à Paris, est une philosophe. Elle a partagé la vie de Jean-Paul Sartre. "
            "Elle a publié « Le Deuxième Sexe » chez Gallimard."
        ),
        {"Simone de Beauvoir", "9 janvier 1908", "Paris", "Jean-Paul Sartre", "Le Deuxième Sexe", "Gallimard"},
        {"Elle"},
    ),
    "Spanish": (
        "Gabriel García Márquez",
        "Gabriel José García Márquez nació en Aracataca, Colombia, el 6 de marzo de 1927. Escribió «Cien años de soledad».",
        {
            "Gabriel García Márquez",
            "Gabriel José García Márquez",
            "Aracataca",
            "Colombia",
            "6 de marzo de 1927",
            "Cien años de soledad",
        },
        set(),
    ),
    "Russian": (
        "Анна Ахматова",
        "Анна Андреевна Ахматова родилась 23 июня 1889 года в Одессе. Её муж, Николай Гумилёв, был поэтом.",
        {"Анна Ахматова", "Анна Андреевна Ахматова", "23 июня 1889", "Одессе", "Николай Гумилёв"},
        {"Её"},
    ),
    "Greek": (
        "Νίκος Καζαντζάκης",
        "Ο Νίκος Καζαντζάκης γεννήθηκε στο Ηράκλειο. Το μυθιστόρημα «Βίος και Πολιτεία» εκδόθηκε το 1946.",
        {"Νίκος Καζαντζάκης", "Ηράκλειο", "Βίος και Πολιτεία", "1946"},
        {"Ο", "Το"},
    ),
    "Chinese": (
        "北京大学",
        "北京大学位于北京市。《红楼梦》是曹雪芹的小说。",
        {"北京大学", "北京市", "红楼梦", "曹雪芹"},
        {"是", "的"},
    ),
    "Japanese": (
        "東京タワー",
        "東京タワーは日本の電波塔である。映画『三丁目の夕日』にはジョン・スミスが出演した。",
        {"東京タワー", "日本", "電波塔", "三丁目の夕日", "ジョン・スミス"},
        {"は", "の"},
    ),
    "Korean": (
        "서울",
        "서울은 대한민국의 수도이다. 이순신 장군은 조선을 지켰다.",
        {"서울", "대한민국", "이순신", "조선"},
        {"서울은"},
    ),
    "Arabic": (
        "القاهرة",
        "القاهرة هي عاصمة مصر. ولد نجيب محفوظ في القاهرة سنة 1911.",
        {"القاهرة", "مصر", "محفوظ", "1911"},
        {"في", "هي"},
    ),
    "Hindi": (
        "नरेन्द्र मोदी",
        "नरेन्द्र मोदी भारत के प्रधानमंत्री हैं। वे गुजरात में रहे।",
        {"नरेन्द्र मोदी", "भारत", "गुजरात"},
        {"के", "में"},
    ),
    "Thai": ("กรุงเทพมหานคร", "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย", {"กรุงเทพมหานคร", "เมืองหลวง", "ประเทศไทย"}, {"ของ"}),
    "Georgian": ("თბილისი", "თბილისი არის საქართველო", {"თბილისი", "საქართველო"}, set()),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_come_out_of_any_language(language: str) -> None:
    title, text, wanted, unwanted = LANGUAGES[language]
    read = extract(text, title=title)
    assert wanted <= set(read.entities)
    assert not unwanted & set(read.entities)
    assert read.triples


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_in_the_words_of_a_passage_meets_its_names(language: str) -> None:
    title, text, _, _ = LANGUAGES[language]
    assert set(asked(text)) & set(extract(text, title=title).entities)


PIECES = "Anna Smith of the de 's .,;:()[]\"'“”«»&- J. R. St. 1999 5th May % $ km 東京 の は ジョ مصر मोदी I he The film `` ''"
TEXTS = st.text(max_size=200) | st.lists(st.sampled_from([*PIECES.split(), "\n", "\n\n"]), max_size=60).map(" ".join)


@given(text=TEXTS, title=st.none() | TEXTS, author=st.none() | st.just("Ana"))
def test_any_text_gives_whole_facts_and_the_same_ones_again(text: str, title: str | None, author: str | None) -> None:
    read = extract(text, title=title, author=author)
    assert read == extract(text, title=title, author=author)
    assert all(name and name == name.strip() for name in read.entities)
    assert len(set(read.entities)) == len(read.entities)
    assert len(set(read.triples)) == len(read.triples)
    named = set(read.entities)
    for subject, relation, object_ in read.triples:
        assert relation
        assert subject != object_
        assert {subject, object_} <= named
    assert all(asked(text))


LONG = {
    "dots": ".",
    "blanks": " ",
    "one word": "A",
    "names": "Abc ",
    "a list": "Abc, ",
    "quotation marks": '"a ',
    "brackets": "(",
    "initials": "A.",
    "numbers": "1.",
    "apostrophes": "a'",
    "of": "Abc of ",
    "places": "in Abc, ",
    "roles": "President ",
    "ministries": "Ministry of A and ",
    "lines": "a\n",
    "entities": "&amp;",
    "kanji": "漢",
    "Thai": "ก",
    "Arabic": "مصر ",
    "prose": "Anna Smith moved to Lisbon, Portugal in 1999. ",
}


@pytest.mark.slow
@pytest.mark.parametrize("piece", LONG)
def test_time_is_in_proportion_to_the_text(piece: str) -> None:
    took = []
    for size in (20_000, 160_000):
        text = LONG[piece] * (size // len(LONG[piece]))
        started = time.process_time()
        extract(text, title="Abc")
        asked(text)
        took.append(time.process_time() - started)
    short, long = took
    assert long < 8 * 4 * max(
        short, 0.02
    )  # of eight times the text; a quadratic rule would take sixty-four times as long
