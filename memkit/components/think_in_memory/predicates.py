"""What is said of somebody, and the relation that it tells: the table of the rules."""

from __future__ import annotations

import re

from memkit.components.think_in_memory import tails, things
from memkit.components.think_in_memory.verbs import ADVERBS, BE, HAS, NOT_BE, OUT, Rule, did, does, doing, is_, rule

# What stands behind "I", "we", "my sister" or "Ana". Endings come first: they are the longer ones.
RULES: tuple[Rule, ...] = (
    *does("lives in", r"(?:lives?|liv(?:ing|e)|resides?)(?: with my [\w ]+?)?(?: back| here| there)? in", tails.place),
    did("lives near", r"lives? (?:just |right |a bit )?(?:outside|near|close to)(?: of)?", things.far_place),
    doing("lives in", r"(?:living|based|settled)(?: back)? in", tails.place),
    doing("lives in", r"renting", tails.moved),
    rule("lives in", rf"{HAS}ended up moving to", tails.moved),
    rule("lives in", r"(?:'ve|'s| have| has) (?:lived|settled(?: down)?) in", tails.place),
    did("lives in", r"(?:moved|relocated)(?: out| away) (?:of|from)(?! [\w ]+ to )", tails.place, ends=True),
    rule(
        "lives in",
        rf"{HAS}left(?= [\w ]+ for good)",
        lambda tail, lower: things.far_place(tail.split(" for good")[0], lower),
        ends=True,
    ),
    did("lives in", rf"(?:moved|relocated){OUT} to", tails.moved),
    did("grew up in", r"grew up in", tails.place),
    did("grew up in", r"(?:was|were) (?:raised|brought up) in", tails.place),
    *does("works at", r"work(?:s|ing)? (?:at|for)", tails.employer),
    doing("works at", r"(?:working|employed) (?:at|for|by)", tails.employer),
    did(
        "works at",
        r"(?:quit|left|lost) (?:my|his|her|our|their) (?:old |new )?job (?:at|with)",
        tails.employer,
        ends=True,
    ),
    did(
        "works at",
        r"(?:(?:was|were|got|been) (?:laid off|fired|sacked|let go|made redundant)|resigned) (?:from|by|at)",
        tails.employer,
        ends=True,
    ),
    did(
        "works at",
        r"(?:got|gotten|took|found|accepted|started|landed|have|has|got myself) (?:an?|my) (?:new |"
        r"dream )?(?:[\w-]+ )?(?:job|position|internship) (?:at|with)",
        tails.employer,
    ),
    did("works at", r"(?:was|were|got|been) (?:hired|taken on|recruited) (?:by|at)", tails.employer),
    did("works at", r"(?:started|began) (?:at|(?:working|a (?:new )?job) (?:at|for|with))", tails.employer),
    did("works at", r"works? in(?= an? )", tails.employer),
    did("field", r"works? in", things.trade_field),
    doing("field", r"working in", things.trade_field),
    *does("collects", r"collects?", tails.thing, many=True),
    *does("volunteers at", r"volunteers? (?:at|for|with)", tails.employer),
    doing("is reading", r"reading", things.title),
    *is_(
        "is afraid of", r"(?:(?:really|very|so|terribly|a bit) )?(?:afraid|scared|terrified|frightened) of", tails.thing
    ),
    *does("works as", r"work(?:s|ing)? as", tails.role),
    doing("works as", r"(?:working|employed) as", tails.role),
    did("works as", r"(?:was|were|got|been) (?:promoted to|made)", things.post),
    *does("works from", r"works? from", lambda tail, lower: "home" if re.match(r"(?i)home\b", tail) else ""),
    did("works", r"works?", things.shifts),
    *does(
        "teaches",
        r"teach(?:es)?",
        lambda tail, lower: (
            things.studied(tail, lower)
            or things.instrument(tail, lower)
            or things.activity(tail, lower)
            or things.language(tail, lower)
        ),
    ),
    did("runs", r"runs?|started|set up|opened|founded|co-founded", things.venture),
    rule(
        "has a degree in",
        rf"{HAS}(?:(?:have|has|got|did) )?(?:an?|my) (?:degree|master'?s(?: degree)?|bachelor'?s(?: degree)?|phd|doctorate|"
        rf"bsc|msc|ba|ma) in",
        things.studied,
    ),
    *does("studies", r"stud(?:y|ies)|studying", lambda tail, lower: things.studied(tail, lower)),
    doing(
        "studies",
        r"(?:studying|majoring in|reading(?= \w+ at)|doing (?:an?|my) (?:degree|master'?s|phd|doctorate|bachelor'?s|"
        r"msc|bsc|ma|ba|mba) in)",
        things.studied,
    ),
    did("studies", r"majors? in", things.studied),
    did("studies at", r"(?:go|goes) to(?: the)?", things.college),
    did("studies at", r"(?:dropped out of|left)", things.college, ends=True),
    did("studies at", r"dropped out of", things.school, ends=True),
    did("graduated from", r"graduated from", things.school),
    rule("is learning", rf"{HAS}(?:gave up|quit|stopped|given up) (?:learning|studying)", things.learnt, ends=True),
    doing(
        "is learning",
        r"(?:learning|teaching (?:my|him|her)self|taking (?:(?:an?|some) )?(?:course in|(?:lessons|classes) in))(?: how)?",
        things.learnt,
    ),
    did("is learning", r"(?:started|began) (?:learning|to learn)(?: how)?", things.learnt),
    *is_(
        "is allergic to",
        r"(?:(?:very|severely|highly|deathly|mildly|slightly|badly|terribly) )?allergic to",
        things.allergen,
        many=True,
    ),
    did("is allergic to", r"(?:have|has|got|developed) an? (?:\w+ )?allergy to", tails.thing, many=True),
    rule(
        "is allergic to",
        rf"{HAS}(?:(?:have|has|got) )?an?(?: (?:bad|severe|serious|mild))?",
        lambda tail, lower: found[1] if (found := re.match(r"(?i)(\w+) allergy\b", tail)) else "",
    ),
    *is_("is married to", "married to", tails.name),
    did("is married to", r"(?:got )?married(?: to)?", tails.person),
    *is_("is engaged to", "engaged to", tails.name),
    did("is engaged to", "got engaged to", tails.name),
    doing("is dating", r"(?:dating|going out with|in a relationship with)", tails.person),
    did("is dating", r"(?:started dating|got (?:back )?together with)", tails.person),
    did("is dating", r"(?:broke|split|broken) up with|dumped", tails.person, ends=True),
    *is_("is from", r"(?:originally |all )?from", tails.place),
    did("is from", r"(?:originally )?comes? from", tails.place),
    rule("was born", r" (?:was|were) born", lambda tail, lower: tails.cut(tail, names=True)),
    *is_("age", "", tails.age),
    did("age", r"turned", tails.small_age),
    *is_("is", "", tails.trade),
    *is_("is", "", tails.state),
    did(
        "is",
        r"(?:became|become|gone|went|turned)",
        things.only_for_good(lambda tail, lower: tails.state(tail, lower) or tails.trade(tail, lower)),
    ),
    did("is", r"(?:trained|qualified|retrained) as", tails.trade),
    rule(
        "height",
        BE,
        lambda tail, lower: (
            things.measured(tail.removesuffix(" tall"), lower) if tail.endswith(" tall") or "'" in tail else ""
        ),
    ),
    rule(
        "dislikes", rf"{NOT_BE} (?:really )?(?:a (?:big |huge |great )?fan of|keen on|fond of)", tails.thing, many=True
    ),
    rule(
        "likes",
        rf"{BE} {ADVERBS}(?:(?:really|very|so|big|completely|quite|seriously|totally) )*(?:into|obsessed with|"
        rf"crazy about|keen on|fond of|mad about|hooked on|passionate about|addicted to)",
        tails.thing,
        many=True,
    ),
    *does("likes", r"likes?|liking|loves?|loving|enjoy(?:s|ing)?|adores?", tails.thing, many=True),
    did("likes", r"gone off|went off", tails.thing, ends=True, many=True),
    did("likes", r"(?:fallen|fell) in love with", tails.thing, many=True),
    *does(
        "dislikes",
        r"hates?|hating|dislikes?|detests?|loathes?|can't stand|cannot stand|can't bear",
        tails.thing,
        many=True,
    ),
    *does("prefers", r"prefers?", tails.thing),
    *does("speaks", r"(?:can )?speaks?", things.language, many=True),
    rule("speaks", rf"{BE} {ADVERBS}fluent in", things.language, many=True),
    *does(
        "plays",
        r"(?:can )?plays?|playing",
        lambda tail, lower: things.instrument(tail, lower) or things.game(tail, lower),
        many=True,
    ),
    doing(
        "plays", r"playing", lambda tail, lower: things.instrument(tail, lower) or things.game(tail, lower), many=True
    ),
    did(
        "plays",
        r"(?:started|took up|taken up)(?: playing)?",
        lambda tail, lower: things.instrument(tail, lower) or things.game(tail, lower),
        many=True,
    ),
    did(
        "plays",
        r"(?:gave up|given up|quit|stopped)(?: playing)?",
        lambda tail, lower: things.instrument(tail, lower) or things.game(tail, lower),
        ends=True,
    ),
    did(
        "avoids",
        r"(?:don't|do not|doesn't|does not|never|can't|cannot|no longer|stopped|quit|gave up|given up|"
        r"avoid) (?:ever )?(?:eat|drink|touch|have|consume)(?:ing)?",
        things.avoided,
        many=True,
    ),
    did(
        "avoids",
        r"(?:don't|do not|doesn't|does not|can't|cannot|no longer|stopped|quit|gave up|given up) (?:eat|drink)(?:ing)?",
        things.uneaten,
        many=True,
    ),
    did("avoids", r"(?:avoids?|gave up|given up|cut out|quit|went off|stay off|off)", things.avoided, many=True),
    *does(
        "does",
        r"do|does|doing|practi[cs]es?|go|goes|going to|went|started|took up|taken up|(?:got|gotten) into",
        things.activity,
        many=True,
    ),
    did("does", r"(?:gave up|given up|quit|stopped)(?: doing| going(?: to)?)?", things.activity, ends=True),
    doing("does", r"(?:doing|practi[cs]ing|going)", things.activity),
    did("drinks", r"drinks?", things.drinks, many=True),
    *does("drives", r"drives?", lambda tail, lower: things.owned(tail, lower)),
    doing("drives", r"driving", things.owned),
    *does("rides", r"rides?", things.owned),
    did("has", r"(?:was |were |been )?diagnosed with", things.illness, many=True),
    *does("has", r"have|has|got|suffers? from", things.illness),
    rule("has", r"'ve (?:got )?", things.illness),
    *does("wears", r"wears?", things.worn),
    *does("takes", r"takes?", things.medicine),
    *does("supports", r"supports?", things.far_place),
    *does("subscribes to", r"subscribes? to", things.branded),
    rule(
        "subscribes to",
        rf"{HAS}(?:cancelled|canceled|ended|stopped) (?:my|our|the)",
        things.subscription,
        ends=True,
    ),
    rule("subscribes to", rf"{HAS}(?:have|has|got|took out|bought|started) an?", things.subscription),
    *is_("is a member of", "a (?:proud )?member of", things.membership),
    did("is a member of", r"(?:joined|signed up for|sings? in|plays? in)", things.membership),
    did("is a member of", r"(?:left|quit)", things.membership, ends=True),
    did("has been to", r"been to|visited(?= \w+ twice)", things.far_place),
    did(
        "visited",
        r"visited|(?:went|travelled|traveled) to(?=.*\b(?:last|holiday|vacation|trip|honeymoon|years? ago|summer|"
        r"19\d\d|20\d\d)\b)|spent [\w ]{3,20} in",
        things.far_place,
    ),
    doing("is flying to", r"(?:flying|travelling) to", things.far_place),
    did("gets up at", r"(?:gets? up|wakes? up) at", things.clock),
    did("goes to bed at", r"(?:go|goes) to (?:bed|sleep) at", things.clock),
    did("name", r"(?:goes?|go) by", tails.person),
    did("uses", r"(?:switched|changed|swapped|migrated)(?: back| over| from [\w ]+?)? to", things.used),
    *does("uses", r"uses?", things.branded),
    did(
        "has",
        r"(?:sold|got rid of|gave away|donated|traded in|given away|scrapped) (?:my|our|the|his|her)",
        things.lost,
        ends=True,
    ),
    *does(
        "has",
        r"have got|has got|have|has|owns?|got|gotten|bought|adopted|inherited|purchased|picked up|treated myself to",
        things.owned,
    ),
    rule("has", r"'ve got", things.owned),
)
