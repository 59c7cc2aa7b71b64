"""Everyday talk, written before the rules for it, and split at random: rules were written looking at one half only.

A line is what Ana says, and behind "=>" the facts in it, "-" before those that end. Lines are compared without articles and case.
"""

from datetime import UTC, datetime

import pytest

from memkit.components.think_in_memory.relations import tail_key
from memkit.components.think_in_memory.rules import by_rules
from memkit.values import Event

NOW = datetime(2024, 5, 8, tzinfo=UTC)

DEVELOPED = """
My girlfriend's name is Noa. => Ana's girlfriend / name / Noa
I gave up learning German. => - Ana / is learning / German
Our wedding is on 12 July. => Ana / wedding / 12 July
Jonas studies history. => Jonas / studies / history
I wear glasses. => Ana / wears / glasses
My dentist appointment is on 4 March. => Ana / dentist appointment / 4 March
I've been diagnosed with coeliac disease. => Ana / has / coeliac disease
I became a teacher two years ago. => Ana / is / a teacher
I'm a member of the chess club. => Ana / is a member of / the chess club
I've got type 1 diabetes. => Ana / has / type 1 diabetes
I traded in my Golf for a Corsa. => - Ana / has / Golf ; Ana / has / a Corsa
I'm self-employed now. => Ana / is / self-employed
I used to play the flute. => - Ana / plays / the flute
I visited Kyoto last spring. => Ana / visited / Kyoto
I'm divorced. => Ana / is / divorced
Quick update: I passed my exam and got a job at Zalando. => Ana / works at / Zalando
I'm single again. => Ana / is / single
Ben moved to Glasgow. => Ben / lives in / Glasgow
Carla just moved back to Turin. => Carla / lives in / Turin
I'm dating Marco. => Ana / is dating / Marco
As I said, I live in Basel. => Ana / lives in / Basel
I'm studying marine biology. => Ana / studies / marine biology
I'm allergic to bees. => Ana / is allergic to / bees
Scratch that, I work at Philips. => Ana / works at / Philips
Our hamster is called Waffles. => Ana / hamster / Waffles
I adopted a cat named Olive. => Ana / cat / Olive
I'm taking a course in pottery. => Ana / is learning / pottery
I play in goal for a local team. =>
I grew up in Sheffield but I live in Cardiff now. => Ana / grew up in / Sheffield ; Ana / lives in / Cardiff
I dropped out of Yale. => - Ana / studies at / Yale
I gave up sugar. => Ana / avoids / sugar
Hi, I'm Ana Sofia. => Ana / name / Ana Sofia
I'm fluent in Arabic. => Ana / speaks / Arabic
Ben's favourite ice cream is pistachio. => Ben / favourite ice cream / pistachio
I study law at Leiden University. => Ana / studies / law ; Ana / studies at / Leiden University
So, news: we moved to Valencia last weekend! => Ana / lives in / Valencia
Ben's birthday is on 1 April. => Ben / birthday / 1 April
My partner is called Sam. => Ana / partner / Sam
We just got a puppy called Pixel. => Ana / puppy / Pixel
I've gone off beer. => - Ana / likes / beer
I own a drone. => Ana / has / a drone
My email has changed, it's ana@new.org now. => Ana / e-mail / ana@new.org
For what it's worth, I'm allergic to wasps. => Ana / is allergic to / wasps
I left London for good and moved to Margate. => - Ana / lives in / London ; Ana / lives in / Margate
My username is ana_codes. => Ana / username / ana_codes
I forgot to mention that I don't eat shellfish. => Ana / avoids / shellfish
I gave away my piano. => - Ana / has / piano
My sister hates flying. => Ana's sister / dislikes / flying
I'm teaching myself Rust. => Ana / is learning / Rust
Tomás started working at Lidl. => Tomás / works at / Lidl
You can reach me at 555 0199. => Ana / phone / 555 0199
Lucía plays volleyball. => Lucía / plays / volleyball
I drink green tea every morning. => Ana / drinks / green tea
My sister's favourite flower is lavender. => Ana's sister / favourite flower / lavender
My new boss is called Henrik. => Ana / boss / Henrik
By the way, I've moved to Leeds. => Ana / lives in / Leeds
I'm engaged to Tess. => Ana / is engaged to / Tess
My surname is Duarte. => Ana / surname / Duarte
The wifi password is tulip77. => Ana / wifi password / tulip77
My all-time favourite book is Emma. => Ana / favourite book / Emma
I became vegetarian in January. => Ana / is / vegetarian
I'm from Cork but live in Utrecht. => Ana / is from / Cork ; Ana / lives in / Utrecht
I resigned from KPMG last week. => - Ana / works at / KPMG
I take metformin. => Ana / takes / metformin
I don't use Facebook anymore. => - Ana / uses / Facebook
We're renting a flat in Hackney. => Ana / lives in / a flat in Hackney
I've got a master's in economics. => Ana / has a degree in / economics
Our new address is 48 Rua do Sol. => Ana / address / 48 Rua do Sol
I'm Portuguese. => Ana / is / Portuguese
My phone is an iPhone 15. => Ana's phone / is / an iPhone 15
My grandma turned 90 on Sunday. => Ana's grandma / age / 90
I was fired from Burger King. => - Ana / works at / Burger King
Ben has a parrot called Kiwi. => Ben / parrot / Kiwi
My native language is Galician. => Ana / native language / Galician
I'm colour-blind. => Ana / is / colour-blind
I absolutely hate cilantro. => Ana / dislikes / cilantro
I have a Fender Stratocaster. => Ana / has / a Fender Stratocaster
The door code is 9931. => Ana / door code / 9931
I prefer tea over coffee. => Ana / prefers / tea over coffee
My nickname is Ziggy. => Ana / nickname / Ziggy
I go by Annie. => Ana / name / Annie
Correction: I live in Graz. => Ana / lives in / Graz
I drink my coffee black. => Ana / drinks / coffee black
I bought a Toyota Yaris. => Ana / has / a Toyota Yaris
I quit smoking. => - Ana / does / smoking
I've taken up knitting. => Ana / does / knitting
I have a twin brother. => Ana / has / a twin brother
I own a bookshop in Ghent. => Ana / has / a bookshop in Ghent
I have asthma. => Ana / has / asthma
I stopped going to ballet. => - Ana / does / ballet
Fun fact: I'm left-handed. => Ana / is / left-handed
I'm based in Zurich at the moment. => Ana / lives in / Zurich
We went to Croatia last summer. => Ana / visited / Croatia
I got married to Pedro last spring. => Ana / is married to / Pedro
I've started bouldering. => Ana / does / bouldering
I cancelled my Spotify subscription. => - Ana / subscribes to / Spotify
My hobby is woodworking. => Ana / hobby / woodworking
I just bought a new bike. => Ana / has / a new bike
I'm doing a master's in statistics at Delft. => Ana / studies / statistics ; Ana / studies at / Delft
I'm also allergic to latex and kiwi. => Ana / is allergic to / latex ; Ana / is allergic to / kiwi
I'm into techno. => Ana / likes / techno
My blood type is O negative. => Ana / blood type / O negative
FYI I'm from Galway originally. => Ana / is from / Galway
I've quit my job at the bank. => - Ana / works at / the bank
My mum's birthday is 30 June. => Ana's mum / birthday / 30 June
I get up at 6. => Ana / gets up at / 6
I broke up with Marco. => - Ana / is dating / Marco
I started working at Novartis last month. => Ana / works at / Novartis
Mum works at the hospital. => Ana's mum / works at / the hospital
I was born on 9 May 1988. => Ana / was born / on 9 May 1988
I'm a vegetarian. => Ana / is / a vegetarian
I quit my job at Deloitte. => - Ana / works at / Deloitte
My birthday is on 14 March. => Ana / birthday / 14 March
I'm driving a Tesla now. => Ana / drives / a Tesla
I only drink decaf. => Ana / drinks / decaf
My sister Eva plays the harp and speaks Greek. => Eva / plays / the harp ; Eva / speaks / Greek
I've started working for the post office. => Ana / works at / the post office
We've got three cats. => Ana / has / three cats
I'm half Brazilian. => Ana / is / half Brazilian
I play guitar in a band. => Ana / plays / guitar
I drive a Skoda. => Ana / drives / a Skoda
I have a nut allergy. => Ana / is allergic to / nut
My boss is Petra. => Ana / boss / Petra
I don't like horror films. => - Ana / likes / horror films
I just got a job at Spotify! => Ana / works at / Spotify
Sorry, I meant my birthday is 15 March. => Ana / birthday / 15 March
My husband is an architect. => Ana's husband / is / an architect
I support Celtic. => Ana / supports / Celtic
I cycle to work. => Ana / cycles to / work
My mum's a nurse. => Ana's mum / is / a nurse
My son is allergic to eggs. => Ana's son / is allergic to / eggs
I was born in Tampere. => Ana / was born / in Tampere
I can't eat gluten. => Ana / avoids / gluten
My husband Tom plays the trombone. => Tom / plays / the trombone
You know, I play the ukulele. => Ana / plays / the ukulele
My dog Rex died last month. => - Ana / dog / Rex
I'm not a fan of olives. => Ana / dislikes / olives
I was raised in Naples. => Ana / grew up in / Naples
I'm left-handed. => Ana / is / left-handed
Ben works at Airbus now. => Ben / works at / Airbus
Our anniversary is on 17 September. => Ana / anniversary / 17 September
Actually it's Anna with two n's, my name is Anna. => Ana / name / Anna
I'm vegan. => Ana / is / vegan
I used to work for Nokia. => - Ana / works at / Nokia
I play tennis on Thursdays. => Ana / plays / tennis
I ended up moving to Seville. => Ana / lives in / Seville
My bike got stolen. => - Ana / has / bike
I love hiking but hate camping. => Ana / likes / hiking ; Ana / dislikes / camping
I got hired by Bosch. => Ana / works at / Bosch
"""

HELD_OUT = """
I ride a Yamaha. => Ana / rides / a Yamaha
I left the choir. => - Ana / is a member of / the choir
I teach Spanish. => Ana / teaches / Spanish
I don't eat pork. => Ana / avoids / pork
My best friend Noor lives in Amman. => Noor / lives in / Amman
I use Obsidian for my notes. => Ana / uses / Obsidian
I play the violin. => Ana / plays / the violin
Priya speaks Tamil and Hindi. => Priya / speaks / Tamil ; Priya / speaks / Hindi
I don't eat meat or fish. => Ana / avoids / meat ; Ana / avoids / fish
I work as a lifeguard in the summer. => Ana / works as / a lifeguard
I just turned forty. => Ana / age / forty
I was diagnosed with ADHD. => Ana / has / ADHD
I'm married to Pedro. => Ana / is married to / Pedro
Guess what, I finally moved to Dublin. => Ana / lives in / Dublin
We bought an electric car. => Ana / has / an electric car
I enjoy gardening and baking. => Ana / likes / gardening ; Ana / likes / baking
I'm a freelance translator. => Ana / is / a freelance translator
I joined the local rowing club last week. => Ana / is a member of / the local rowing club
I've been dating Luca for two months. => Ana / is dating / Luca
Sofia is a lawyer. => Sofia / is / a lawyer
We moved to Bergen, so I quit my job at Statoil. => Ana / lives in / Bergen ; - Ana / works at / Statoil
I'm obsessed with crosswords. => Ana / likes / crosswords
I live in Porto and work at Farfetch. => Ana / lives in / Porto ; Ana / works at / Farfetch
I have a Netflix subscription. => Ana / subscribes to / Netflix
I don't play rugby any more. => - Ana / plays / rugby
I have a degree in geology. => Ana / has a degree in / geology
My parents live in Vigo. => Ana's parents / lives in / Vigo
I play chess. => Ana / plays / chess
I wake up at half past five every day. => Ana / gets up at / half past five
I've stopped drinking coffee. => Ana / avoids / coffee
I got rid of my printer. => - Ana / has / printer
I'm a paramedic. => Ana / is / a paramedic
I do yoga every morning. => Ana / does / yoga
I gave up running. => - Ana / does / running
Benfica is my favourite team. => Ana / favourite team / Benfica
Turns out I'm staying in Ghent for good, I live here now in Ghent. => Ana / lives in / Ghent
I'm learning Japanese. => Ana / is learning / Japanese
I've switched to oat milk. => Ana / uses / oat milk
I joined a choir. => Ana / is a member of / a choir
My sister moved to Toronto last year. => Ana's sister / lives in / Toronto
I gave up the saxophone. => - Ana / plays / the saxophone
I've gone vegan. => Ana / is / vegan
I have a dog called Bo and I'm allergic to cats. => Ana / dog / Bo ; Ana / is allergic to / cats
We bought a house in Coimbra and live there now. => Ana / has / a house in Coimbra
My cat Miso is four years old. => Miso / age / four
I graduated from Trinity College in 2015. => Ana / graduated from / Trinity College
My exam is on Tuesday. => Ana / exam / Tuesday
I go to bed at 11. => Ana / goes to bed at / 11
I landed a job at Pixar. => Ana / works at / Pixar
My dad works for the railway. => Ana's dad / works at / the railway
I have a Kindle. => Ana / has / a Kindle
My library card number is 20084. => Ana / library card number / 20084
My locker code is 4471. => Ana / locker code / 4471
Ben is allergic to penicillin. => Ben / is allergic to / penicillin
My manager's name is Yusuf. => Ana's manager / name / Yusuf
I took up climbing. => Ana / does / climbing
My address is 12 Mill Lane, flat 3. => Ana / address / 12 Mill Lane
I work at a small bakery in town. => Ana / works at / a small bakery
I prefer window seats. => Ana / prefers / window seats
I'm lactose intolerant. => Ana / is / lactose intolerant
I sold the car. => - Ana / has / the car
I don't drink alcohol. => Ana / avoids / alcohol
I've been learning the cello. => Ana / is learning / the cello
My licence plate is 45-AB-12. => Ana / licence plate / 45-AB-12
I'm really into birdwatching. => Ana / likes / birdwatching
My nephew's name is Hugo. => Ana's nephew / name / Hugo
My flight is on Friday at 9. => Ana / flight / Friday at 9
I'm retired. => Ana / is / retired
I go to Leeds University. => Ana / studies at / Leeds University
My daughter is seven. => Ana's daughter / age / seven
I've switched to Linux. => Ana / uses / Linux
I switched from Chrome to Firefox. => - Ana / uses / Chrome ; Ana / uses / Firefox
I work night shifts. => Ana / works / night shifts
I subscribe to The Economist. => Ana / subscribes to / The Economist
My postcode is BS8 1TH. => Ana / postcode / BS8 1TH
I work from home. => Ana / works from / home
I've been to Iceland twice. => Ana / has been to / Iceland
I don't work at Ikea any more. => - Ana / works at / Ikea
I speak Dutch and a bit of Danish. => Ana / speaks / Dutch ; Ana / speaks / Danish
My brother plays bass. => Ana's brother / plays / bass
Oh, and I've got a new job at Ubisoft. => Ana / works at / Ubisoft
I bought a Nikon and sold my old Canon. => Ana / has / a Nikon ; - Ana / has / old Canon
Our cat passed away. => - Ana / has / cat
My dog Toby is a beagle. => Toby / is / a beagle
I'm doing a PhD in chemistry. => Ana / studies / chemistry
My new laptop is a Framework 13. => Ana's laptop / is / a Framework 13
I turned 29 yesterday. => Ana / age / 29
My mother has arthritis. => Ana's mother / has / arthritis
My brother Rui lives in Antwerp. => Rui / lives in / Antwerp
We don't live in Rotterdam anymore. => - Ana / lives in / Rotterdam
My favourite band is Radiohead. => Ana / favourite band / Radiohead
Purple is my favourite colour. => Ana / favourite colour / Purple
My cousin Leo is a pilot. => Leo / is / a pilot
My son studies physics at Imperial. => Ana's son / studies / physics ; Ana's son / studies at / Imperial
My sister Inês works at the Natural History Museum. => Inês / works at / the Natural History Museum
I'm an intern at Siemens. => Ana / is / an intern
I'm thirty-four. => Ana / age / thirty-four
Inês is my sister. => Ana / sister / Inês
I'm majoring in philosophy. => Ana / studies / philosophy
My shoe size is 39. => Ana / shoe size / 39
I have a sister called Eva. => Ana / sister / Eva
I have two kids. => Ana / has / two kids
I'm unemployed at the moment. => Ana / is / unemployed
My cat's name is Miso. => Ana / cat / Miso
I'm crazy about mangoes. => Ana / likes / mangoes
I'm not vegetarian anymore. => - Ana / is / vegetarian
My laptop is a ThinkPad. => Ana's laptop / is / a ThinkPad
My car is a Honda Jazz. => Ana's car / is / a Honda Jazz
I live just outside Bristol these days. => Ana / lives near / Bristol
My bike is a Brompton. => Ana's bike / is / a Brompton
I got promoted to team lead. => Ana / works as / team lead
I sold my Vespa. => - Ana / has / Vespa
I'm 178 cm tall. => Ana / height / 178 cm
We got a puppy, and his name is Biscuit. => Ana / has / a puppy
My wife speaks Finnish. => Ana's wife / speaks / Finnish
I have a dog, his name is Rufus. => Ana / has / a dog
My new number is 912 345 678. => Ana / phone / 912 345 678
I can't stand coriander. => Ana / dislikes / coriander
I've been playing the drums for ten years. => Ana / plays / the drums
I've been working as a barista since June. => Ana / works as / a barista
My dad supports Porto. => Ana's dad / supports / Porto
Ben lives in Lyon and works at Michelin. => Ben / lives in / Lyon ; Ben / works at / Michelin
I've got a MacBook Air. => Ana / has / a MacBook Air
I started learning Polish this winter. => Ana / is learning / Polish
Marco and I broke up. => - Ana / is dating / Marco
I drive an old Fiat Panda. => Ana / drives / an old Fiat Panda
My dog is a border collie. => Ana's dog / is / a border collie
I've been living in Kraków since March. => Ana / lives in / Kraków
I've got a daughter named Lily. => Ana / daughter / Lily
Miso is my cat. => Ana / cat / Miso
I run a small bakery. => Ana / runs / a small bakery
I speak fluent Catalan. => Ana / speaks / Catalan
Ben drives a Volvo now. => Ben / drives / a Volvo
I go swimming twice a week. => Ana / does / swimming
Everyone calls me Bee. => Ana / name / Bee
I'm flying to Tokyo on 12 June. => Ana / is flying to / Tokyo
My son just turned 12. => Ana's son / age / 12
I was hired by the city library. => Ana / works at / the city library
My car was stolen last night. => - Ana / has / car
No wait, my code is 8812. => Ana / code / 8812
My favourite film is Spirited Away. => Ana / favourite film / Spirited Away
Just so you know, I no longer live in Oslo. => - Ana / lives in / Oslo
I got laid off from Intel. => - Ana / works at / Intel
I was promoted to head of sales. => Ana / works as / head of sales
My daughter Mia is studying medicine. => Mia / studies / medicine
I'm pregnant. => Ana / is / pregnant
Ben loves sushi. => Ben / likes / sushi
I teach maths at a secondary school. => Ana / teaches / maths
I just got a new phone, a Pixel 9. => Ana's phone / is / a Pixel 9
My birthday's the 2nd of August. => Ana / birthday / the 2nd of August
"""

# Nothing of these is a fact that rules should know.
DEVELOPED_TRAPS = """
I'm not sure whether I'm allergic to nuts.
Everyone who works at Google is smart.
I got the joke.
I'm as old as Ben.
My phone is a mess.
I doubt that Sofia is a lawyer.
My idea is a good one.
I play it safe.
My birthday is a disaster every year.
Suppose Ben works at Acme.
Apple bought a startup.
I hope to work at NASA one day.
I drive to work on Mondays.
When I was 12 years old I had a dog.
I use it every day.
In the film the hero works at a bank.
I run late a lot.
I see.
I have a headache.
My boss thinks I live in Rome.
Before I moved to Rome I was happy.
Ben says I'm allergic to nuts.
I'm all ears.
My age is showing.
I'm with you.
I don't just play the piano.
I do the dishes.
I'm 100% sure.
My brother drives a Volvo, doesn't he?
I can't say I like jazz.
Kids like sugar.
My day is full.
I take the bus.
They think my name is Bob.
I have a question about Rome.
I'm into it.
Remember to call me at five.
Coffee is my fuel.
I wish I played the piano.
I do nothing all day.
Google has a new phone.
I never said I play the violin.
I switched to the next slide.
Monday is my enemy.
It's not true that I live in Rome.
Nurses work at night.
I have no idea.
The code is broken.
I've got a feeling it will rain.
Do you think I should move to Leeds?
London has a river.
We may move to Rome next year.
They live in Rome.
My character drives a Ferrari.
I was going to study law.
I'd love to have a cat named Zeus.
I'm 2 for 2 today.
Dogs love bones.
I had an interview at Google.
My car is a wreck.
I love it.
Let's pretend we live in Rome.
I drive my wife crazy.
Imagine living in Hawaii.
I gave up.
I'm considering a job at Meta.
I use the stairs.
I'm on my way.
Yesterday was my birthday.
I live in Leeds, don't I?
I work hard.
She goes, "I'm vegan now."
I took up too much of your time.
I'm dating myself here.
I took a break.
You work at Siemens, right?
From now on your name is Max.
In the novel, Anna lives in Moscow.
I go nuts when he sings.
I joined the call late.
Neither of us drives a Volvo.
Ben told me he lives in Rome.
Living in Rome is expensive.
Your sister works at Google.
I got a call from Ben.
My phone is dead.
If I worked at Google I'd be rich.
I wish I had a dog.
"""

HELD_OUT_TRAPS = """
Time is my favourite excuse for everything.
Once I live in Rome, I will surf.
You have a dog named Rex.
I'm a mess today.
I live on Mars, just kidding.
Her birthday is 3 May.
My back is killing me.
Nobody in my family plays the piano.
I can neither confirm nor deny that I live in Rome.
I run every day.
Both of us would like to live in Rome.
I switched to plan B.
I'm taller than my brother.
I gave up on him.
Forget that I work at Acme.
I'd move to Spain if I could.
I almost bought a Volvo.
I got it from Ben.
I'm thinking about buying a Volvo.
I'm 900 years old, haha just joking.
I live for this.
I could eat a horse.
I live closer to Rome than Ben does.
A friend of a friend works at Google.
The password is wrong.
Someone wrote "I work at Tesla" on the wall.
I have more cats than Ben.
Tell Ben I moved to Rome.
I sold him on the idea.
What if I sold my car?
I rarely eat meat.
I hardly ever play the piano.
I'm down for pizza.
My mum believes I'm a vegetarian.
As a nurse I would never do that.
I've got an offer from Netflix.
I might switch to oat milk.
Answer as if my name is Bob.
Don't tell anyone I live in Rome.
It is a Volvo.
I play along.
I'm down to my last coffee.
I left the party early.
My job is fun.
I learnt that the hard way.
I teach him a lesson.
Is Ben still working at Airbus?
This is my favourite.
I'm Team Edward.
She has a dog called Toby.
I quit.
I support you.
I don't think Ben works at Airbus.
Cats hate water.
My name is on the list.
I'm an idiot.
My bad.
We're looking for a flat in Porto.
I have a meeting at 5.
Not everyone lives in Rome.
Working at Google must be fun.
I'm a millionaire, lol jk.
It isn't like I work at NASA.
Someone I know drives a Volvo.
Students in Leeds play football.
Should I buy a Tesla?
Delete my address, it is 12 Mill Lane.
Some people have a dog and a cat.
I applied for a job at Apple.
I don't think I live in a nice area.
He works at Airbus.
I'm a bit under the weather.
I take it back.
I do my best.
Write a story where I live in Rome.
I want to move to Iceland.
His name is Toby.
I wear many hats.
I'm 5 minutes away.
Did I tell you where I work?
I'm thinking of getting a dog.
I'm planning on learning Japanese.
In my dream I lived in Tokyo.
I lost my keys.
I'm in two minds.
I nearly got a job at Apple.
That was my favourite song.
People who live in Rome drive fast.
"""

Fact = tuple[bool, str, str, str]


def fact(line: str) -> Fact:
    head, relation, tail = line.removeprefix("- ").split(" / ", 2)
    return line.startswith("- "), head, relation, tail_key(tail)


def lines(block: str) -> list[tuple[str, set[Fact]]]:
    pairs = [line.partition(" =>") for line in block.strip().splitlines()]
    return [(text, {fact(one.strip()) for one in facts.split(" ; ") if one.strip()}) for text, _, facts in pairs]


def drawn(text: str) -> set[Fact]:
    event = Event(id="e", namespace="n", text=text, at=NOW, recorded=NOW, author="Ana")
    return {(one.ends, one.head, one.relation, tail_key(one.tail)) for one in by_rules(event)}


@pytest.mark.parametrize("block", [DEVELOPED, HELD_OUT], ids=["developed", "held out"])
def test_of_everyday_statements_nearly_all_give_their_facts_and_no_other(block: str) -> None:
    wrong = [text for text, facts in lines(block) if drawn(text) != facts]
    assert len(wrong) <= 0.05 * len(lines(block)), wrong  # 2 of 149 and 3 of 150 when they were measured


@pytest.mark.parametrize(
    ("statements", "traps"), [(DEVELOPED, DEVELOPED_TRAPS), (HELD_OUT, HELD_OUT_TRAPS)], ids=["developed", "held out"]
)
def test_what_is_drawn_from_everyday_talk_was_stated(statements: str, traps: str) -> None:
    pairs = [(facts, drawn(text)) for text, facts in lines(statements) + lines(traps)]
    right = sum(len(facts & found) for facts, found in pairs)
    assert right >= 0.97 * sum(len(found) for _, found in pairs)  # precision: all of them when they were measured
    assert right >= 0.95 * sum(len(facts) for facts, _ in pairs)  # recall: 155 of 157 and 158 of 161


@pytest.mark.parametrize(
    "text", DEVELOPED_TRAPS.strip().splitlines(), ids=range(len(DEVELOPED_TRAPS.strip().splitlines()))
)
def test_no_trap_gives_a_fact(text: str) -> None:
    assert drawn(text) == set()
