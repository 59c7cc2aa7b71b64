"""The grocery task: somebody says what they have to buy, asks twenty questions about other things, and then wants to know.

It has the shape of the task of that name in SirLLM (Yao et al., ACL 2024): a thing is stated, twenty turns of general
knowledge follow, and the thing is asked for with four choices. All of it is made up here from a seed; none of the
paper's data is used. What is to be bought are three things of a list of 72; each of the three wrong choices has three others.
A fifth of the questions in between are about groceries as well, so that a mention alone proves nothing: they never name what
is to be bought, but may name what a wrong choice has. Three to six questions of general knowledge come first, which the
paper's task does not have: else keeping whatever came first would be the whole answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from memkit.evaluation.script import Ask, Option, Script, Step
from memkit.evaluation.talk import acknowledgement, quiz
from memkit.values import Event

DIALOGUES = 20  # a seed
BEFORE = (3, 6)  # questions before what is stated, at least and at most
BETWEEN = 20  # questions between that and what is asked
ABOUT_GROCERIES = 0.2  # of these
CHOICES, THINGS = 4, 3
START = datetime(2024, 3, 4, 9, tzinfo=UTC)
KIND = "what was stated"

_GROCERIES = (
    "almonds apricots artichokes aubergines avocados bagels bananas barley basil beetroot blueberries bread broccoli butter "
    "cabbage capers carrots cashews celery cheddar cherries chickpeas cinnamon coconut coriander couscous cranberries "
    "cucumbers dates dumplings eggs fennel figs flour garlic ginger grapes halloumi hazelnuts honey hummus kale leeks "
    "lemons lentils limes mackerel mangoes milk mushrooms mustard noodles oats olives onions oranges oregano papaya "
    "parsnips peaches peanuts pears pickles plums potatoes pumpkin quinoa radishes raisins rhubarb salmon spinach"
).split()
_STATED = (
    "I have to get {} on the way home.", "We are out of {}.", "Please remember for me: {}.", "For the weekend I need {}.",
    "My list for the shop says {}.", "Before dinner somebody has to fetch {}, and that will be me.", "Shopping today: {}.",
    "The fridge is empty; I'm short of {}.", "Mum wants me to bring {}.", "There is a note on the door that reads {}.",
    "I'm off to the market in an hour, it will be {} and nothing else.", "Don't let me come back without {}.",
)  # fmt: skip
_ASKED = (
    "What did I say I have to buy?", "What was on my shopping list?", "Which groceries did I need?",
    "I am in the shop now. What was it that I wanted to get?", "Remind me what I was going to buy.",
    "What did I want to bring home from the shop?",
)  # fmt: skip
_ABOUT_GROCERIES = (
    ("Which weighs more, a crate of {a} or a crate of {b}?", "The crate of {a}, usually."),
    ("Is it {a} or {b} that keeps longer in a cellar?", "As a rule {b} keep longer than {a}."),
    ("Would a cook rather pair {a} with {b} or with chocolate?", "Most would pair {a} with {b}."),
    ("Do {a} come from a warmer country than {b}?", "It depends on the kind of {a}."),
)


def grocery(seed: int, *, dialogues: int = DIALOGUES, between: int = BETWEEN) -> list[Script]:
    """The dialogues of a seed: each a script of its own, with one question at its end."""
    random = Random(f"grocery {seed}")
    return [_dialogue(random, f"grocery/{seed}/{number}", between) for number in range(dialogues)]


def _dialogue(random: Random, name: str, between: int) -> Script:
    drawn = random.sample(_GROCERIES, CHOICES * THINGS)
    choices = [tuple(drawn[first : first + THINGS]) for first in range(0, len(drawn), THINGS)]
    right = choices[0]
    others = [one for one in _GROCERIES if one not in right]
    stated = random.choice(_STATED).format(_listed(random, right))
    said = [turn for _ in range(random.randint(*BEFORE)) for turn in _pair(*quiz(random))]
    said += [("user", stated), ("assistant", acknowledgement(random))]
    said += [turn for _ in range(between) for turn in _between(random, others)]
    random.shuffle(choices)
    options = tuple(Option(name=", ".join(things), words=things) for things in choices)
    steps: list[Step] = [_event(name, number, role, text) for number, (role, text) in enumerate(said)]
    ask = Ask(text=random.choice(_ASKED), kind=KIND, options=options, right=", ".join(right))
    return Script(name=name, people=(), steps=(*steps, ask))


def _between(random: Random, others: Sequence[str]) -> list[tuple[str, str]]:
    """A question and its answer, with their roles; about other groceries now and then."""
    if random.random() < ABOUT_GROCERIES:
        a, b = random.sample(others, 2)
        question, answer = (part.format(a=a, b=b) for part in random.choice(_ABOUT_GROCERIES))
    else:
        question, answer = quiz(random)
    return _pair(question, answer)


def _pair(question: str, answer: str) -> list[tuple[str, str]]:
    return [("user", question), ("assistant", answer)]


def _listed(random: Random, things: tuple[str, ...]) -> str:
    *first, last = things
    return f"{', '.join(first)}{random.choice((' and ', ', and ', ', also '))}{last}"


def _event(script: str, number: int, role: str, text: str) -> Event:
    at = START + timedelta(minutes=number)
    return Event(
        id=f"{script}/{number}", namespace=script, text=text, at=at, recorded=at, role=role, session="shop", kind="turn"
    )
