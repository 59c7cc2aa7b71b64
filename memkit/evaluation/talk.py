"""What people say when they tell nothing that is asked later: small talk, and questions of general knowledge with answers.

Made of parts that are drawn independently, so that hardly a sentence comes twice.
"""

from __future__ import annotations

from random import Random

_OPENERS = (
    "Sorry, long day.", "Morning, all.", "Hi again.", "Quick one before I run.", "Phew.", "So.", "Right, where were we?",
    "Back from the dentist.", "The train was late again.", "I only have a minute.", "Coffee first.", "Hello hello.",
    "It has been raining since six.", "Finally Friday.", "Ignore the noise behind me.", "Battery is at four percent.",
)  # fmt: skip
_CLOSERS = (
    "Anyway, how are things?", "More on that later.", "Talk soon.", "That's it from me.", "Don't laugh.",
    "I thought you should know.", "Who would have guessed?", "Nothing dramatic.", "Long story.", "Have to go now.",
    "And you?", "My back hurts from all the sitting.", "Right, dinner.", "I'll send pictures.", "What a week.",
)  # fmt: skip
_WHO = (
    "my neighbour", "the plumber", "my aunt", "somebody at the till", "the woman next to me", "our landlord", "a colleague",
    "the boy downstairs", "my old teacher", "the doctor", "the man at the bakery", "my sister's friend",
)  # fmt: skip
_DID = (
    "talked for an hour about {topic}", "would not stop laughing at {topic}", "asked me what I think of {topic}",
    "wrote a long letter about {topic}", "gave me a book about {topic}", "got quite angry about {topic}",
    "swears by {topic}", "had never heard of {topic}", "was late because of {topic}", "showed me pictures of {topic}",
)  # fmt: skip
_TOPICS = (
    "the new cycle path", "mushrooms", "old maps", "the election", "a film with no dialogue", "sourdough", "the heating",
    "moss", "night trains", "his stamp collection", "the school play", "tide tables", "bees", "the roof", "crosswords",
    "the price of butter", "a broken lift", "lighthouses", "the fog", "second-hand chairs", "volcanoes", "the choir",
    "spelling mistakes", "a lost glove", "the recycling", "planets", "jigsaw puzzles", "the marathon", "wallpaper",
)  # fmt: skip
_MOODS = (
    "I am tired of {topic}.", "There was something on the radio about {topic}.", "Never again will I read about {topic}.",
    "I dreamt of {topic}.", "My week was all about {topic}.", "Could we talk about {topic} some day?",
    "The paper is full of {topic}.", "I have started a list of everything I know about {topic}.",
    "Nobody warned me about {topic}.", "If only {topic} were simpler.", "You would have enjoyed {topic}.",
)  # fmt: skip
_ACKNOWLEDGED = (
    "Noted.", "Thanks for telling me.", "I see.", "Good to know.", "All right.", "Understood.", "Thank you, I have that.",
    "Sounds good.", "Let me know if anything comes up.", "Of course.", "Happy to hear from you.", "Okay!",
)  # fmt: skip

_CAPITALS = {
    "Norway": "Oslo", "Kenya": "Nairobi", "Peru": "Lima", "Cuba": "Havana", "Austria": "Vienna", "Mongolia": "Ulaanbaatar",
    "Chile": "Santiago", "Ghana": "Accra", "Nepal": "Kathmandu", "Iceland": "Reykjavik", "Latvia": "Riga", "Jordan": "Amman",
}  # fmt: skip
_PLACES = {
    "a hammer": "in a toolbox", "a pillow": "on a bed", "an anchor": "on a ship", "a stethoscope": "in a surgery",
    "a chalkboard": "in a classroom", "a saddle": "in a stable", "a snorkel": "at a reef", "a gavel": "in a court",
    "a trowel": "in a shed", "a projector": "in a cinema", "a turnstile": "in a station", "a pulpit": "in a church",
}  # fmt: skip
_OPPOSITES = {
    "brave": "timid", "ancient": "modern", "generous": "stingy", "rough": "smooth", "narrow": "wide", "guilty": "innocent",
    "shallow": "deep", "rare": "common", "humid": "dry", "blunt": "sharp", "noisy": "quiet", "scarce": "plentiful",
}  # fmt: skip
_ANIMALS = {
    "a duck": "two legs", "a spider": "eight legs", "a cow": "four legs", "an ant": "six legs", "an octopus": "eight arms",
    "a snail": "one foot", "a starfish": "five arms", "a crab": "ten legs",
}  # fmt: skip


def small_talk(random: Random) -> str:
    """One to three sentences."""
    said = [random.choice(_OPENERS)] if random.random() < 0.3 else []
    if random.random() < 0.5:
        happened = f"{random.choice(_WHO)} {random.choice(_DID)}".format(topic=random.choice(_TOPICS))
        said.append(f"{happened[0].upper()}{happened[1:]}.")
    else:
        said.append(random.choice(_MOODS).format(topic=random.choice(_TOPICS)))
    if random.random() < 0.3:
        said.append(random.choice(_CLOSERS))
    return " ".join(said)


def wrapped(random: Random, statement: str) -> str:
    """A statement as it comes up in talk: often with something before or behind it."""
    before = f"{random.choice(_OPENERS)} " if random.random() < 0.35 else ""
    behind = f" {random.choice(_CLOSERS)}" if random.random() < 0.35 else ""
    return f"{before}{statement}{behind}"


def acknowledgement(random: Random) -> str:
    """What an assistant says that adds nothing."""
    return random.choice(_ACKNOWLEDGED)


def quiz(random: Random) -> tuple[str, str]:
    """A question of general knowledge and its answer."""
    kind = random.randrange(5)
    if kind == 0:
        country, capital = random.choice(list(_CAPITALS.items()))
        return random.choice(("What is the capital of {}?", "Which city governs {}?")).format(country), f"{capital}."
    if kind == 1:
        thing, place = random.choice(list(_PLACES.items()))
        return f"Where would you most likely find {thing}?", f"You would find {thing} {place}."
    if kind == 2:
        word, other = random.choice(list(_OPPOSITES.items()))
        return f'Which word is the opposite of "{word}"?', f'The opposite of "{word}" is "{other}".'
    if kind == 3:
        animal, limbs = random.choice(list(_ANIMALS.items()))
        return f"How many limbs does {animal} walk on?", f"Count them: {animal} has {limbs}."
    first, second = random.randint(12, 89), random.randint(12, 89)
    return f"What is {first} plus {second}?", f"{first} plus {second} is {first + second}."
