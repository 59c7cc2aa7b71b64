"""Names and facts by rules: what comes out of a passage, and what of a question."""

from __future__ import annotations

import pytest

from memkit.components.hipporag.openie import OpenIE
from memkit.components.hipporag.rules import asked, extract

FILM = (
    "The Silver Harbour is a 1951 British drama film directed by Walter J. Penrose and starring Ellen Marsh, Tom Brandt and "
    "Sir Hugh Alderley. It was produced by Northgate Pictures."
)
DIRECTOR = (
    "Walter James Penrose (12 March 1902 – 4 July 1971) was an English film director. Penrose was born in Leeds, Yorkshire, "
    "the son of the painter Harold Penrose. He married Ellen Marsh in 1938."
)
ACTRESS = (
    "Ellen Marsh (born 5 May 1910 in Dublin) was an Irish actress. She was the mother of the composer Brian Penrose."
)


def names(text: str, title: str | None = None, author: str | None = None) -> set[str]:
    return set(extract(text, title=title, author=author).entities)


def test_a_name_bridges_from_the_page_of_a_film_to_that_of_its_director_and_on() -> None:
    film, director = names(FILM, "The Silver Harbour (1951 film)"), names(DIRECTOR, "Walter Penrose")
    assert {
        "The Silver Harbour",
        "Walter Penrose",
        "Ellen Marsh",
        "Tom Brandt",
        "Hugh Alderley",
        "Northgate Pictures",
    } <= film
    assert {"Walter Penrose", "Leeds", "Yorkshire", "Harold Penrose", "Ellen Marsh"} <= director
    assert {"Ellen Marsh", "Dublin", "Brian Penrose"} <= names(ACTRESS, "Ellen Marsh")


def test_relations_are_the_words_between() -> None:
    told = set(extract(FILM, title="The Silver Harbour (1951 film)").triples) | set(
        extract(DIRECTOR, title="Walter Penrose").triples
    )
    assert ("The Silver Harbour", "starring", "Ellen Marsh") in told
    assert ("The Silver Harbour", "starring", "Tom Brandt") in told
    assert ("The Silver Harbour", "was produced by", "Northgate Pictures") in told
    assert ("Walter Penrose", "was born in", "Leeds") in told
    assert ("Walter Penrose", "son of the painter", "Harold Penrose") in told
    assert ("Leeds", "in", "Yorkshire") in told


def test_behind_a_date_a_relation_ends_with_its_own_preposition() -> None:
    read = extract("It was founded in 1874 by Ida Halden.", title="Halden & Sons")
    assert ("Halden & Sons", "was founded in", "1874") in read.triples
    assert ("Halden & Sons", "was founded by", "Ida Halden") in read.triples


def test_markup_is_no_part_of_a_relation() -> None:
    text = "# Guide\n\n- **Fast**: uses FAISS.\n\n## Licence\n\nIt is under the __terms__ of Apache."
    relations = {relation for _, relation, _ in extract(text, title="memkit").triples}
    assert {"Fast: uses", "is under the terms of"} <= relations
    assert not any(mark in relation for relation in relations for mark in "#*_`")


def test_what_stands_in_brackets_is_said_of_the_name_before() -> None:
    told = extract("Her brother Leo Marsh (born 5 May 1950 in Cork) writes.", title="Ellen Marsh").triples
    assert ("Leo Marsh", "born", "5 May 1950") in told
    assert ("Leo Marsh", "born in", "Cork") in told


@pytest.mark.parametrize(
    ("title", "text", "stands_for"),
    [
        pytest.param("Evalyn Knapp", "Knapp moved to Reno.", "Evalyn Knapp", id="surname"),
        pytest.param(
            "Brian Penrose", "Brian moved to Reno after his wedding.", "Brian Penrose", id="first name of a person"
        ),
        pytest.param("Evalyn Knapp", "She moved to Reno.", "Evalyn Knapp", id="pronoun"),
        pytest.param("Quiet Lake (film)", "The film moved to Reno.", "Quiet Lake", id="the film"),
        pytest.param("The Exies", "The Exies moved to Reno.", "The Exies", id="article"),
        pytest.param("Lothair II of Arlen", "King Lothair II moved to Reno.", "Lothair II of Arlen", id="ordinal"),
    ],
)
def test_the_title_is_meant_by_its_shorter_forms(title: str, text: str, stands_for: str) -> None:
    assert (stands_for, "moved to", "Reno") in extract(text, title=title).triples


def test_a_surname_is_resolved_to_the_full_name_before_it_and_a_place_is_not() -> None:
    assert names("We saw James Hetfield. Then Hetfield left.") == {"James Hetfield"}
    assert {"West Virginia", "Virginia"} <= names("They drove to West Virginia. Then to Virginia.")


def test_initials_in_brackets_mean_the_name_before_them() -> None:
    read = extract("He joined the Dravida Munnetra Kazhagam (DMK). The DMK won in Madurai.")
    assert ("Dravida Munnetra Kazhagam", "won in", "Madurai") in read.triples
    assert ("Dravida Munnetra Kazhagam", "also called", "DMK") in read.triples


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("He read J. R. R. Tolkien there.", "J. R. R. Tolkien"),
        ("They fought at the Battle of Las Navas then.", "Battle of Las Navas"),
        ("She met Simone de Beauvoir there.", "Simone de Beauvoir"),
        ("He knew Henry the Navigator well.", "Henry the Navigator"),
        ("It was sold to Simon & Schuster then.", "Simon & Schuster"),
        ("It lies near St. Mary's Church there.", "St. Mary's Church"),
        ("They won at the 1920 Summer Olympics there.", "1920 Summer Olympics"),
        ("They won the 26th Chess Olympiad there.", "26th Chess Olympiad"),
        ("It broke the Judiciary Act of 1869 there.", "Judiciary Act of 1869"),
        ("He runs the Department of Health and Human Services now.", "Department of Health and Human Services"),
        ('They made "Paper Moon," which sold.', "Paper Moon"),
        ("It was built on 5 May 1950 there.", "5 May 1950"),
        ("It was built on May 5, 1950 there.", "May 5, 1950"),
        ("It covers 25 square kilometres there.", "25 square kilometres"),
        ("It cost $1.4 billion then.", "$1.4 billion"),
        ("It stood in the 19th century.", "19th century"),
        ("We met President Nelson Mandela there.", "Nelson Mandela"),
        ("We met Dr. Silva there.", "Silva"),
    ],
)
def test_a_name_is_found_whole(text: str, name: str) -> None:
    found = names(text)
    assert name in found
    assert not any(name in other and name != other for other in found)


@pytest.mark.parametrize(
    "text",
    [
        "Performances of that kind ended.",
        "However, it rained.",
        "In the end they left.",
        "It was an American film.",
        "On Monday they left.",
    ],
)
def test_a_capital_is_not_yet_a_name(text: str) -> None:
    assert all(name.islower() for name in names(text))


def test_the_first_word_of_a_sentence_is_a_name_if_the_passage_shows_it() -> None:
    assert "Sinaloa" in names("Sinaloa lies there. They went to Sinaloa.")
    assert "Water" not in names("Water flows. They drank the water.")


def test_a_possessive_ends_a_name() -> None:
    assert names("They played at Chicago's Wrigley Field then.") == {"Chicago", "Wrigley Field"}


def test_the_parts_of_a_name_are_linked_to_it() -> None:
    read = extract("He taught at the University of Vienna then.")
    assert ("University of Vienna", "of", "Vienna") in read.triples


def test_a_list_is_no_chain_of_places() -> None:
    told = extract("She flew from Rome, Paris and Oslo.").triples
    assert ("Rome", "in", "Paris") not in told


def test_in_a_chat_the_speaker_is_the_subject_of_what_he_says_of_himself() -> None:
    read = extract("I moved to Lisbon. My sister Eva lives in Porto.", author="Ana")
    assert ("Ana", "moved to", "Lisbon") in read.triples
    assert ("Eva", "lives in", "Porto") in read.triples
    assert "Ana" in read.entities


def test_a_passage_without_names_is_linked_by_its_concepts() -> None:
    read = extract("an aircraft carrier is a floating airbase", title="Aircraft carrier")
    assert "floating airbase" in read.entities
    assert "floating airbase" not in names(
        "An aircraft carrier is a floating airbase. The Royal Navy and Japan had many.", "Carrier"
    )


def test_every_name_is_linked_to_the_title() -> None:
    read = extract(FILM, title="The Silver Harbour")
    linked = {s for s, _, o in read.triples if o == "The Silver Harbour"} | {
        o for s, _, o in read.triples if s == "The Silver Harbour"
    }
    assert {"Walter J. Penrose", "Ellen Marsh", "Tom Brandt", "Hugh Alderley", "Northgate Pictures", "1951"} <= linked


def test_nothing_comes_of_nothing() -> None:
    assert extract("") == extract(" \n ") == OpenIE()
    assert asked("") == ()


def test_a_question_gives_its_names() -> None:
    assert asked("Who is the mother of the director of film The Silver Harbour?") == ("The Silver Harbour",)
    assert asked("Which came first, Guitar World or Science News?") == ("Guitar World", "Science News")


@pytest.mark.parametrize(
    "title", ["Jump for Glory", "Pick Me Up", "In Love and War", "Welcome to the Show", "Homer's Odyssey"]
)
def test_a_question_also_gives_the_longer_readings_and_those_first(title: str) -> None:
    found = asked(f"Who performed in both {title} and a band?")
    assert found[0] == title


def test_a_question_without_names_gives_its_phrases() -> None:
    assert "tornado outbreak" in asked("which tornado outbreak was the worst?")
