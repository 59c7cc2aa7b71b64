"""What the people of the changing facts tell of themselves: eight subjects, their values, and how one would put them.

In a phrase, {v} is the value and {o} the one before it; {n} is a person's name. `told` and `changed` are in the first person,
`heard` is what somebody else says. Some phrases of `ended` do not say what ended, and some of `changed` not what was before:
people do not. The phrases were written to sound like talk, with several constructions for each, not for any component's rules.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing that can be known of a person. `shared` says that it is whatever another person {n}'s is; a word of `topic`
    is in each of these."""

    name: str
    values: tuple[str, ...]
    told: tuple[str, ...]
    changed: tuple[str, ...]
    heard: tuple[str, ...]
    ended: tuple[str, ...]
    now: tuple[str, ...]
    then: tuple[str, ...]
    before: tuple[str, ...]
    idle: tuple[str, ...]
    shared: tuple[str, ...] = ()
    topic: tuple[str, ...] = ()


HOME = Subject(
    name="home",
    values=("Turku", "Ghent", "Porto", "Leeds", "Graz", "Bergen", "Nantes", "Lublin", "Split", "Cork", "Malmö", "Bari"),
    told=(
        "I live in {v}.", "We have been in {v} for years, it suits us.", "My flat is in {v}, third floor, no lift.",
        "Home is {v} for me.", "You know I'm based in {v}, right where the trams turn.",
        "From my window in {v} I see cranes.", "These days you find me in {v}.",
    ),
    changed=(
        "I moved to {v}.", "It's done: we left {o} for {v}.", "The boxes are unpacked, {v} is home now.",
        "New address for your list: it's in {v}.", "Goodbye {o}, hello {v}!",
        "I signed the lease, from today on I sleep in {v}.", "After all the back and forth I've settled in {v}.",
    ),
    heard=("{n} has moved to {v}, did you hear.", "{n} lives in {v} now.", "Had a call from {n}, all settled in {v}."),
    ended=(
        "I gave up my place in {o} and travel, nothing fixed.",
        "I no longer live in {o}, and I have no address at all.",
        "I live out of a suitcase, home is wherever the van stops.",
        "The flat in {o} is gone, I'm on the road for good.",
    ),
    now=(
        "Where does {n} live now?", "Which town is {n} living in these days?", "What is {n}'s home town at the moment?",
    ),
    then=("Where did {n} live on {d}?", "Which town was {n} living in on {d}?"),
    before=("Where did {n} live before {v}?", "Which town was {n} in before moving to {v}?"),
    idle=("Has anybody been to {v}?", "Is it cold in {v} at this time of the year?"),
    shared=(
        "Wherever {n} lives is where I live, we share everything.",
        "I share a flat with {n}, so you know where to find me.",
        "Me and {n} are under the same roof, and it will stay like that.",
    ),
    topic=("live", "flat", "roof"),
)  # fmt: skip

WORK = Subject(
    name="work",
    values=(
        "Halden Labs", "Orbis Freight", "the harbour office", "Quillon", "Marrow & Finch", "the county archive",
        "Tessel", "Brightwater", "the opera house", "Kestrel Foods", "Umbra Glass", "the ferry line",
    ),
    told=(
        "I work for {v}.", "{v} pays my wages.", "My desk at {v} is next to the printer.",
        "I'm with {v}, have been for ages.", "Work is {v}, as ever.", "I spend my days at {v}.",
        "They keep me busy at {v}.",
    ),
    changed=(
        "I started at {v} on Monday.", "New job! It's {v}.", "I handed in my notice at {o} and signed with {v}.",
        "{v} hired me.", "First week at {v} done.", "I swapped {o} for {v}, best decision in years.",
        "As of today I belong to {v}.",
    ),
    heard=("{n} works for {v} now.", "{v} has taken {n} on.", "Did I tell you that {n} went to {v}."),
    ended=(
        "I quit {o}, and there is nothing new lined up.", "{o} and I are done with each other, I'm between jobs.",
        "I no longer work at {o}, I'm at home with the children.", "I have retired, and it feels wonderful.",
    ),
    now=("Who does {n} work for now?", "Where is {n} employed these days?", "What is {n}'s employer at the moment?"),
    then=("Who did {n} work for on {d}?", "Where was {n} employed on {d}?"),
    before=("Who did {n} work for before {v}?", "What was {n}'s employer before {v}?"),
    idle=("Does anybody know somebody at {v}?", "What do they actually do at {v}?"),
    shared=(
        "Whichever firm has {n} has me, we only come as a pair.",
        "I'm at the same firm as {n}, we come and go together.",
    ),
    topic=("firm",),
)  # fmt: skip

CAR = Subject(
    name="car",
    values=(
        "Volvo", "Fiat", "Skoda", "Renault", "Toyota", "Saab", "Mazda", "Peugeot", "Honda", "Lada", "Dacia", "Opel",
    ),
    told=(
        "I drive a {v}.", "My old {v} made it up the hill.", "The {v} is parked outside, it's mine.",
        "I take the {v} to work.", "There is dog hair all over my {v}.", "My {v} passed the inspection, barely.",
    ),
    changed=(
        "I bought a {v}.", "The {o} broke down for good, so it's a {v} now.", "Traded the {o} in for a {v}.",
        "Guess who picked up a {v} this morning: me.", "My new wheels: a {v}.", "I finally have the {v} I wanted.",
    ),
    heard=("{n} drives a {v} now.", "{n} turned up in a {v}.", "Apparently {n} bought a {v}."),
    ended=(
        "I sold the {o} and won't buy another.", "No more {o} for me, I cycle.",
        "I go by bus, I don't own a car at all.", "The {o} is gone, and I don't miss having one.",
    ),
    now=("What car does {n} drive now?", "Which make is {n}'s car?", "What is {n} driving these days?"),
    then=("What car did {n} drive on {d}?", "Which make was {n}'s car on {d}?"),
    before=("What did {n} drive before the {v}?", "Which car did {n} have before the {v}?"),
    idle=("Is a {v} any good in snow?", "Who was it that had a blue {v} once?"),
)  # fmt: skip

INSTRUMENT = Subject(
    name="instrument",
    values=(
        "cello", "oboe", "banjo", "harp", "trumpet", "accordion", "flute", "drums", "ukulele", "viola", "bassoon",
        "organ",
    ),
    told=(
        "I play the {v}.", "I practise the {v} every evening, sorry for the walls.",
        "It's the {v} for me, since I was nine.", "My {v} teacher is very patient.",
        "I'm hopeless at it, but I love my {v}.", "The {v} keeps me sane.",
    ),
    changed=(
        "I switched to the {v}.", "I put the {o} aside and took up the {v}.", "It's the {v} now that I practise.",
        "My fingers hurt: first month on the {v}.", "I swapped the {o} for a {v}.", "I have lessons on the {v} now.",
    ),
    heard=("{n} has taken up the {v}.", "{n} plays the {v} now.", "You should hear {n} on the {v}."),
    ended=(
        "I gave up the {o}, my hands are not what they were.", "I no longer play the {o} or anything else.",
        "I'm done with the {o}.", "There is no music at my place, I haven't touched an instrument in months and won't.",
    ),
    now=("What instrument does {n} play now?", "Which instrument is {n} practising these days?"),
    then=("What instrument did {n} play on {d}?", "Which instrument was {n} practising on {d}?"),
    before=("What instrument did {n} play before the {v}?", "What did {n} practise before the {v}?"),
    idle=("Is the {v} hard to learn?", "Who can lend a {v} to the school?"),
)  # fmt: skip

DRINK = Subject(
    name="drink",
    values=(
        "mint tea", "cocoa", "espresso", "oat latte", "green tea", "chai", "cider", "lemonade", "rooibos", "kefir",
        "mate", "tonic",
    ),
    told=(
        "My favourite drink is {v}.", "A {v} for me, always.", "I can't start the day without my {v} in hand.",
        "I love {v}.", "If you make me something, make it {v}.", "It's {v} that I order wherever I go.",
    ),
    changed=(
        "I have gone over to {v}.", "The doctor took my {o} away, so it's {v}.",
        "I like {v} better than {o} nowadays: {v} it is.", "From {o} to {v}, that's how far I've come.",
        "It's {v} that I order now.", "My new vice is {v}.",
    ),
    heard=("{n} drinks {v} now.", "For {n} it has to be {v}.", "{n} swears by {v}."),
    ended=(
        "I gave up {o}; water is fine.", "No more {o}, I only have water.",
        "I stopped drinking {o}, and want nothing in its place.", "Plain water for me, whatever you offer.",
    ),
    now=("What does {n} like to drink now?", "Which drink should I make for {n}?", "What is {n}'s favourite drink?"),
    then=("What did {n} like to drink on {d}?", "Which drink was {n}'s favourite on {d}?"),
    before=("What did {n} drink before it was {v}?", "What was {n}'s favourite drink before {v}?"),
    idle=("Does {v} keep you awake?", "Where can one get decent {v} around here?"),
    shared=("Whatever {n} drinks, I drink the same.", "Order for me and {n} together, we always have the same."),
    topic=("drink", "drinks", "order"),
)  # fmt: skip

SPORT = Subject(
    name="sport",
    values=(
        "rowing", "fencing", "judo", "climbing", "badminton", "hockey", "yoga", "squash", "archery", "sailing",
        "boxing", "curling",
    ),
    told=(
        "I do {v} twice a week.", "My sport is {v}.", "{v} is what keeps me fit.",
        "On Tuesdays I have {v}, so not then.", "I'm in a club for {v}.", "You'll laugh, but I'm good at {v}.",
    ),
    changed=(
        "I took up {v}.", "I dropped {o} and do {v} now.", "My knee says no to {o} and yes to {v}.",
        "It's {v} on Tuesdays now.", "I joined a club for {v}, the old one was too far.", "Instead of {o} I go to {v}.",
    ),
    heard=("{n} goes to {v} now.", "{n} has discovered {v}.", "{v} is {n}'s new thing."),
    ended=(
        "I stopped {o}, I have no time for sport.", "I left the club, no sport for me this year.",
        "I cancelled {o} and do nothing.", "{o} is over and done with, I'm getting lazy.",
    ),
    now=("What sport does {n} do now?", "Which sport is {n} doing these days?"),
    then=("What sport did {n} do on {d}?", "Which sport was {n} doing on {d}?"),
    before=("What sport did {n} do before {v}?", "Which sport came before {v} for {n}?"),
    idle=("Is {v} on television tonight?", "How expensive is {v} to start with?"),
)  # fmt: skip

PET = Subject(
    name="pet",
    values=(
        "Biscuit", "Mopsy", "Falafel", "Tinker", "Pudding", "Zorro", "Waffles", "Juno", "Pickle", "Othello", "Nugget",
        "Basil",
    ),
    told=(
        "My dog is called {v}.", "{v} chewed my slippers again, bad dog.", "I have to walk {v}, my dog.",
        "The dog answers to {v}, at times.", "This is {v}, my dog.", "I have a dog; we named him {v}.",
    ),
    changed=(
        "We have a new dog, {v}.", "After {o} died we got {v}.", "The shelter gave us {v}, so there is a dog again.",
        "{v} moved in with us, a puppy.", "My dog now is {v}, the little one.", "I adopted a dog by the name of {v}.",
    ),
    heard=("{n} has a new dog, {v}.", "{n}'s dog is called {v} now.", "I met {n}'s puppy, {v}."),
    ended=(
        "{o} is gone, and there will be no other dog.", "I had to give the dog away.",
        "I no longer have {o}; the house is quiet.", "We are without a dog since {o} died.",
    ),
    now=("What is {n}'s dog called now?", "What is the name of the dog that {n} has?"),
    then=("What was {n}'s dog called on {d}?", "Which dog did {n} have on {d}?"),
    before=("Which dog did {n} have before {v}?", "What was the name of {n}'s dog before {v}?"),
    idle=("Who calls a dog {v}?", "Is {v} a good name for a dog?"),
)  # fmt: skip

CODE = Subject(
    name="code",
    values=("4719", "8032", "1567", "9240", "3385", "6104", "2978", "5051", "7726", "1893", "6642", "4408"),
    told=(
        "The code of my bike lock is {v}.", "Take my bike, the lock opens with {v}.", "My lock: {v}.",
        "If you need the bike, {v} opens it.", "I keep forgetting it, so: bike lock {v}.",
    ),
    changed=(
        "I changed the code of my bike lock to {v}.", "{o} doesn't open my lock any more, {v} does.",
        "New bike lock, the code is {v}.", "For the bike it's {v} from now on.", "My lock has a new number, {v}.",
    ),
    heard=(
        "{n}'s bike lock opens with {v} now.", "{n} changed the lock of the bike to {v}.", "For {n}'s bike it is {v}.",
    ),
    ended=(
        "I got rid of the lock with {o}, it's a key now.", "The bike was stolen, lock and all.",
        "No more {o}: I don't lock the bike.",
    ),
    now=("What is the code of {n}'s bike lock now?", "Which number opens {n}'s bike lock?"),
    then=("What was the code of {n}'s bike lock on {d}?", "Which number opened {n}'s bike lock on {d}?"),
    before=("What was the code of {n}'s bike lock before {v}?", "Which number opened {n}'s bike lock before {v}?"),
    idle=("Is {v} the number of the taxi?", "Did the raffle ticket say {v}?"),
)  # fmt: skip

SUBJECTS = (HOME, WORK, CAR, INSTRUMENT, DRINK, SPORT, PET, CODE)
