"""The changing facts: five people and an assistant talk for months; what they tell of themselves changes, ends, is forgotten.

A script has 30 sessions of 12 turns, nine days apart, and what the assistant answers. Of the forty pairs of a person and
a subject (`subjects`), each has a fate: told once; changed up to three times; ended by saying so; forgotten for good, by id,
after it was told; never told; or shared with another person whose own changes ("wherever Ben lives is where I live"). About a
quarter of the turns tell something, mostly in the first person, at times by somebody else; the rest is small talk, and
questions that name a value and tell nothing. The assistant confirms some of what it is told by repeating it.

After a third, two thirds, and all of the sessions everything is asked that can be: about now (`told once`, `changed`, `ended`,
`depended on`), about then (`as of a day`, asked of the memory as it was on that day, and `before the last change`), and about
what is not there (`forgotten`, `never said`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from memkit.evaluation.script import NOT_SAID, NOTHING, Ask, Option, Removal, Script, Step
from memkit.evaluation.subjects import SUBJECTS, Subject
from memkit.evaluation.talk import acknowledgement, small_talk, wrapped
from memkit.values import Event

SESSIONS, TURNS, PEOPLE = 30, 12, 5
START, APART = datetime(2024, 1, 8, 18, tzinfo=UTC), timedelta(days=9)
NAMES = (
    "Ana Ben Carla Dmitri Elif Farid Greta Hugo Ines Jonas Katrin Liam Mira Nils Oona Pedro Ruta Sami Tova Yusuf"
).split()
# How many of the forty pairs have which fate; what shares and what it depends on come first, the rest is told once.
FATES = {"changed": 13, "ended": 6, "forgotten": 6, "never": 6}
CHOICES = 4
HEARD = 0.15  # of what is told comes from somebody else
ECHO, REPLY = 0.25, 0.2  # how often the assistant repeats what it is told, and says something at all
IDLE = 0.15  # of small talk is a question that names a value
SEVERAL = (2, 3, 4)  # values that a changing fact goes through
_ECHOES = ("Got it, {n}: {v}.", "{n}, {v}, noted.", "Thanks, I'll remember {v} for {n}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something that is told in a session. `value` is None when it says that there is nothing any more."""

    session: int
    author: str
    text: str
    value: str | None


@dataclass(slots=True, kw_only=True)
class Course:
    """What becomes of one subject of one person: what is told when, in which session it is forgotten, with whom it is shared."""

    person: str
    subject: Subject
    told: list[Told] = field(default_factory=list)
    gone: int | None = None
    partner: Course | None = None

    def until(self, session: int) -> list[Told]:
        return [one for one in self.told if one.session <= session]


def facts(seed: int, *, sessions: int = SESSIONS, turns: int = TURNS) -> list[Script]:
    """The script of a seed. It needs at least 12 sessions, so that everything has its time."""
    if sessions < 12 or turns < 1:
        raise ValueError(f"{sessions} sessions of {turns} turns are too few; 12 sessions are the least")
    random = Random(f"facts {seed}")
    people = tuple(random.sample(NAMES, PEOPLE))
    courses = _courses(random, people, sessions)
    writing = _Writing(random, f"facts/{seed}", people, courses)
    for session in range(sessions):
        writing.play(session, turns)
        if session + 1 in (sessions // 3, 2 * sessions // 3, sessions):
            writing.steps += _asked(random, courses, session)
    return [Script(name=f"facts/{seed}", people=people, steps=tuple(writing.steps))]


def _courses(random: Random, people: Sequence[str], sessions: int) -> list[Course]:
    made = {(person, subject.name): Course(person=person, subject=subject) for person in people for subject in SUBJECTS}
    fates: dict[tuple[str, str], str] = {}
    for subject in SUBJECTS:
        if subject.shared:
            first, second = random.sample(people, 2)
            made[first, subject.name].partner = made[second, subject.name]
            fates[first, subject.name], fates[second, subject.name] = "shared", "changed"
    free = [pair for pair in made if pair not in fates]
    random.shuffle(free)
    wanted = [fate for fate, count in FATES.items() for _ in range(count)]
    wanted += ["once"] * (len(free) - len(wanted))
    fates.update(zip(free, wanted, strict=True))
    for pair, course in made.items():
        _tell(random, course, fates[pair], people, sessions)
    return list(made.values())


def _tell(random: Random, course: Course, fate: str, people: Sequence[str], sessions: int) -> None:
    """Fill the course in: what is told in which session."""
    subject, person = course.subject, course.person
    if fate == "never":
        return
    if fate == "shared":
        assert course.partner is not None
        text = random.choice(subject.shared).format(n=course.partner.person)
        course.told.append(Told(session=random.randrange(sessions // 4), author=person, text=text, value=None))
        return
    count = 1 if fate == "once" else random.choice(SEVERAL if fate == "changed" else (1, 2))
    values = random.sample(subject.values, count)
    places = sorted(random.sample(range(sessions - 1), count + (fate in ("ended", "forgotten"))))
    before = ""
    for place, value in zip(places, values, strict=False):
        others = [name for name in people if name != person]
        heard = random.random() < HEARD
        phrases = subject.heard if heard else subject.changed if before else subject.told
        text = random.choice(phrases).format(v=value, o=before, n=person)
        author = random.choice(others) if heard else person
        course.told.append(Told(session=place, author=author, text=_begun(text), value=value))
        before = value
    if fate == "ended":
        text = random.choice(subject.ended).format(o=before)
        course.told.append(Told(session=places[-1], author=person, text=_begun(text), value=None))
    elif fate == "forgotten":
        course.gone = places[-1]


class _Writing:
    """The script as it is written, session by session."""

    def __init__(self, random: Random, name: str, people: Sequence[str], courses: Sequence[Course]) -> None:
        self.steps: list[Step] = []
        self._random = random
        self._name = name
        self._people = people
        self._courses = courses
        self._ids: dict[int, set[str]] = {}  # by course: the events that tell its value
        self._said = 0

    def play(self, session: int, turns: int) -> None:
        """One session: what is due is told among small talk, then what has to go is forgotten."""
        due = [
            (number, told)
            for number, course in enumerate(self._courses)
            for told in course.told
            if told.session == session
        ]
        parts: list[tuple[int, Told] | None] = [*due, *[None] * max(0, turns - len(due))]
        self._random.shuffle(parts)
        for part in parts:
            if part is None:
                self._chat(session)
            else:
                self._told(session, *part)
        for number, course in enumerate(self._courses):
            if course.gone == session:
                self.steps.append(Removal(ids=frozenset(self._ids[number])))

    def _told(self, session: int, number: int, told: Told) -> None:
        ids = self._ids.setdefault(number, set())
        ids.add(self._say(session, told.author, wrapped(self._random, told.text)))
        if told.value is not None and self._random.random() < ECHO:
            echo = self._random.choice(_ECHOES).format(n=self._courses[number].person, v=told.value)
            ids.add(self._say(session, None, echo))

    def _chat(self, session: int) -> None:
        author = self._random.choice(self._people)
        if self._random.random() < IDLE:
            subject = self._random.choice(SUBJECTS)
            text = self._random.choice(subject.idle).format(v=self._random.choice(subject.values))
        else:
            text = small_talk(self._random)
        self._say(session, author, text)
        if self._random.random() < REPLY:
            self._say(session, None, acknowledgement(self._random))

    def _say(self, session: int, author: str | None, text: str) -> str:
        self._said += 1
        at = START + session * APART + timedelta(minutes=self._said)
        event = Event(
            id=f"{self._name}/{self._said}",
            namespace=self._name,
            text=text,
            at=at,
            recorded=at,
            role="user" if author else "assistant",
            author=author,
            session=f"{session + 1}",
        )
        self.steps.append(event)
        return event.id


def _asked(random: Random, courses: Sequence[Course], session: int) -> list[Step]:
    asked = [ask for course in courses for ask in _about(random, course, courses, session)]
    random.shuffle(asked)
    return list(asked)


def _about(random: Random, course: Course, courses: Sequence[Course], session: int) -> Iterator[Ask]:
    """What can be asked about a course after a session."""
    told = course.until(session)
    if course.partner is not None:
        now = course.partner.until(session)
        if told and now and now[-1].value is not None:
            yield _ask(random, course, courses, "depended on", course.partner.told, now[-1].value)
        return
    if not told or (course.gone is not None and course.gone <= session):
        kind = "forgotten" if told else "never said"
        yield _ask(random, course, courses, kind, told, NOT_SAID)
        return
    values = [one.value for one in told if one.value is not None]
    kind = "ended" if told[-1].value is None else "changed" if len(told) > 1 else "told once"
    yield _ask(random, course, courses, kind, told, told[-1].value or NOTHING)
    if len(values) > 1:
        text = random.choice(course.subject.before).format(n=course.person, v=values[-1])
        without = [one for one in told if one.value != values[-1]]
        yield _ask(random, course, courses, "before the last change", without, values[-2], text=text, past=True)
    if len(told) > 1:
        place = random.randrange(len(told) - 1)
        day = START + random.randrange(told[place].session, told[place + 1].session) * APART
        text = random.choice(course.subject.then).format(n=course.person, d=f"{day.day} {day:%B} {day.year}")
        moment = day + timedelta(hours=12)
        yield _ask(random, course, courses, "as of a day", told, told[place].value or NOTHING, text=text, as_of=moment)


def _ask(
    random: Random,
    course: Course,
    courses: Sequence[Course],
    kind: str,
    told: Sequence[Told],
    right: str,
    *,
    text: str | None = None,
    past: bool = False,
    as_of: datetime | None = None,
) -> Ask:
    """The question with its options: all values that the person had, filled up with others', first those that somebody told."""
    subject = course.subject
    had = dict.fromkeys(one.value for one in told if one.value is not None)
    excluded = {one.value for one in course.told} if past else set()
    rivals = [one.value for other in courses if other.subject is subject for one in other.told if one.value is not None]
    fill = [value for value in dict.fromkeys((*rivals, *subject.values)) if value not in had and value not in excluded]
    names = [*had, *fill[: max(0, CHOICES - len(had))]]
    random.shuffle(names)
    return Ask(
        text=text or random.choice(subject.now).format(n=course.person),
        kind=kind,
        options=tuple(Option(name=name, words=(name,)) for name in names),
        right=right,
        about=course.person,
        past=past,
        as_of=as_of,
        topic=subject.topic,
    )


def _begun(text: str) -> str:
    """With a capital at its beginning: some values begin with a small "the"."""
    return text[0].upper() + text[1:]
