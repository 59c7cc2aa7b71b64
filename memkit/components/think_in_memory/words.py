"""The words that rules go by where a pattern alone would take down idioms: "I have a Volvo", but not "I have a point"."""

from __future__ import annotations

import re


def _any(words: str) -> str:
    return f"(?:{'|'.join(sorted(words.split(), key=len, reverse=True))})".replace("_", "[ -]")


PETS = _any(
    "dog cat puppy kitten hamster rabbit bunny parrot budgie horse pony tortoise turtle goldfish guinea_pig ferret snake"
)
_VEHICLES = _any(
    """car bike bicycle e-bike motorbike motorcycle scooter van truck campervan camper boat kayak canoe moped tractor
    skateboard surfboard caravan sailboat"""
)
DEVICES = _any(
    """phone mobile laptop computer pc tablet camera watch smartwatch tv television printer e-reader console monitor drone
    keyboard headphones earbuds microwave dishwasher oven fridge freezer washing_machine sewing_machine telescope
    3d_printer"""
)
INSTRUMENTS = _any(
    """piano guitar violin viola cello bass double_bass drums flute clarinet oboe bassoon saxophone sax trumpet trombone
    tuba horn french_horn harp organ accordion harmonica ukulele banjo mandolin recorder bagpipes keyboard keyboards
    percussion bass_guitar synth"""
)
GAMES = _any(
    """tennis football soccer rugby cricket hockey basketball volleyball handball baseball softball golf badminton squash
    table_tennis ping_pong netball lacrosse padel darts snooker pool chess bridge poker go scrabble backgammon water_polo
    five-a-side ice_hockey dungeons_and_dragons"""
)
ACTIVITIES = _any(
    """running jogging swimming cycling hiking climbing bouldering skiing snowboarding surfing sailing rowing kayaking
    canoeing diving scuba_diving dancing salsa_dancing fishing camping riding horse_riding skating ice_skating boxing
    kickboxing fencing wrestling archery gardening baking cooking knitting sewing crocheting crochet embroidery painting
    drawing pottery ceramics woodworking carpentry calligraphy origami photography birdwatching birding blogging writing
    singing weightlifting powerlifting crossfit yoga pilates ballet karate judo aikido taekwondo jiu-jitsu tai_chi
    gymnastics zumba meditation smoking vaping gambling parkour geocaching foraging beekeeping brewing juggling
    improv triathlon triathlons tango salsa martial_arts stand-up_comedy"""
)
SUBJECTS = _any(
    """biology chemistry physics maths math mathematics statistics history geography geology philosophy psychology sociology
    anthropology archaeology linguistics literature languages law medicine nursing dentistry pharmacy engineering
    architecture economics finance accounting business marketing management politics theology education teaching
    journalism music art arts theatre film design astronomy biochemistry genetics ecology neuroscience informatics
    computing science sciences robotics agriculture veterinary_medicine classics mechanics programming"""
)
KIN = _any(
    """mother mom mum mam mama mummy mommy father dad papa daddy brother sister son daughter wife husband partner fiancé
    fiancée fiance fiancee girlfriend boyfriend grandmother grandma granny nan grandfather grandpa granddad grandad
    grandson granddaughter aunt auntie uncle cousin niece nephew friend boss manager neighbour neighbor roommate
    housemate flatmate colleague coworker co-worker doctor dentist teacher stepmother stepfather stepmum stepdad
    stepsister stepbrother godmother godfather godson goddaughter twin mother-in-law father-in-law sister-in-law
    brother-in-law mate landlord landlady trainer coach therapist tutor ex-wife ex-husband"""
)
MANY_KIN = _any(
    """parents kids children sons daughters brothers sisters siblings grandparents grandchildren cousins twins friends
    neighbours neighbors in-laws nephews nieces"""
)
_PLACES = _any(
    "house flat apartment cottage studio farm bungalow cabin bakery bookshop shop café cafe restaurant garden allotment"
)
DRINKS = _any(
    """coffee tea decaf espresso matcha milk water beer wine juice lemonade cola coke whisky whiskey gin rum cider alcohol
    caffeine soda kombucha cocoa cappuccino latte americano"""
)
FOODS = _any(
    """meat fish pork beef lamb chicken poultry seafood shellfish sugar sweets chocolate dairy gluten wheat bread carbs eggs
    nuts peanuts cheese butter soy red_meat fast_food junk_food crisps salt spicy_food pasta rice onions garlic mushrooms
    tomatoes honey"""
)
ILLNESSES = _any(
    """asthma diabetes arthritis adhd add autism epilepsy migraines hypertension anaemia anemia eczema psoriasis glaucoma
    osteoporosis endometriosis fibromyalgia lupus scoliosis tinnitus insomnia hay_fever coeliac_disease celiac_disease
    crohn's_disease crohn's parkinson's parkinson's_disease alzheimer's dementia dyslexia dyspraxia pcos ibs copd ms ocd
    ptsd depression high_blood_pressure sleep_apnoea sleep_apnea multiple_sclerosis bipolar_disorder a_pacemaker
    rheumatoid_arthritis type_1_diabetes type_2_diabetes lactose_intolerance vitiligo rosacea gout"""
)
STATES = re.compile(  # what somebody "is" without an article
    r"(?i)(?:(?:strictly|half|part|completely|fully|mildly|recently|happily|newly|partially|partly|severely|still) )?(?:"
    + _any(
        """vegetarian vegan pescatarian flexitarian teetotal coeliac celiac diabetic type_1_diabetic type_2_diabetic asthmatic
        epileptic autistic dyslexic anaemic anemic lactose_intolerant gluten_intolerant lactose-intolerant left-handed
        right-handed left_handed right_handed ambidextrous colour-blind color-blind colour_blind color_blind
        colourblind colorblind deaf blind short-sighted near-sighted nearsighted long-sighted married single divorced
        widowed engaged separated retired unemployed self-employed semi-retired freelance pregnant gay lesbian
        bisexual asexual trans non-binary nonbinary bilingual trilingual jewish muslim catholic christian hindu buddhist
        sikh protestant atheist agnostic portuguese spanish french italian german dutch belgian swiss austrian english
        scottish welsh irish british american canadian mexican brazilian argentinian argentine chilean colombian
        peruvian venezuelan cuban polish czech slovak hungarian romanian bulgarian greek turkish serbian croatian
        slovenian bosnian albanian ukrainian russian lithuanian latvian estonian finnish swedish norwegian danish
        icelandic indian pakistani bangladeshi nepali chinese japanese korean taiwanese vietnamese thai filipino
        indonesian malaysian singaporean australian egyptian moroccan tunisian algerian nigerian ghanaian kenyan
        ethiopian angolan mozambican south_african israeli palestinian lebanese syrian jordanian iraqi iranian
        saudi galician catalan basque"""
    )
    + ")"
)
_COUNT = r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|\d{1,2}|another)"
_THINGS = f"{PETS}|{_VEHICLES}|{DEVICES}|{INSTRUMENTS}|{KIN}|{MANY_KIN}|{_PLACES}"
THING = re.compile(rf"(?i)(?:{_THINGS})s?")  # the word alone
PEOPLE = re.compile(
    rf"(?i){_COUNT} (?:[\w-]+ ){{0,2}}?(?:(?:{PETS})s?|(?:{KIN})s?|{MANY_KIN})"
)  # what also somebody with a name may be said to have
HAD = re.compile(rf"(?i:{_COUNT}) (?:[a-z][\w-]* ){{0,3}}?(?i:(?:{_THINGS})s?)(?: in (?:the )?[A-Z][\w-]*)?")
_BRAND = r"(?:[A-Z][\w-]+|i[A-Z]\w+)(?: (?:[A-Z0-9][\w.-]*|of))*"
NO_BRAND = re.compile(
    r"(?i)\b(?:\w+day|january|february|march|april|may|june|july|august|september|october|november|december|uber|lyft|"
    r"airbnb|zoom|mri|ct|uti|id|phd|mba|bsc|msc|ba|ma|gp|iq|a-level|xmas|christmas|easter|english|french|german|"
    r"spanish|ok|covid|sms|pdf|url|api|pr|o'level|email|visa)\b"
)
_LOOKS = (
    r"(?:(?:new|brand new|old|used|second-?hand|vintage|refurbished|red|blue|black|white|green|grey|gray|silver|yellow|little|"
    r"small|big|electric|acoustic|folding|nice|lovely|beautiful|classic|cheap|pair of|hybrid|diesel) ){0,3}"
)
BRANDED = re.compile(rf"(?i:an?) {_LOOKS}{_BRAND}(?: (?:{_VEHICLES}|{DEVICES}|{INSTRUMENTS}))?")
BRAND = re.compile(_BRAND)
CODES = re.compile(
    r"(?i)(?:the|our) (?P<noun>(?:wi-?fi|door|gate|alarm|locker|entry|building|garage|safe|access|front door|"
    r"back door|lock|bike lock|"
    r"router|guest|guest wi-?fi|lobby|network|parking|shed|house|office|voicemail|netflix|burglar alarm)"
    r" (?:code|password|pin|passcode|combination|key))(?:'s| is)(?: now)? (?P<tail>\S*\d\S*)"
)
MEMBERSHIPS = re.compile(
    r"(?i)(?:an?|the|our|my) (?:[\w'-]+ ){0,3}?(?:club|choir|band|orchestra|team|society|union|association|book club|"
    r"league|parish council|"
    r"board|committee|co-op|cooperative|troupe|ensemble|quartet|scouts|council)(?: in [A-Z]\w+)?"
)
NUMBERS = (
    r"(?:(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen)"
)
SMALL = r"(?:one|two|three|four|five|six|seven|eight|nine)"
CLOCK = re.compile(
    rf"(?i)(?:about |around )?(?:(?:half|quarter) (?:past|to) )?(?:\d{{1,2}}(?:[:.]\d\d)?|{SMALL}|ten|eleven|twelve|"
    rf"noon|midnight|midday)"
    r"(?:[- ](?:thirty|fifteen|o'clock))?(?: ?[ap]\.?m\.?)?"
)
DATED = re.compile(
    r"(?i)(?:.* )?(?:birthday|anniversary|appointment|flight|wedding|exam|interview|party|trip|meeting|train|concert|"
    r"deadline|graduation|"
    r"surgery|operation|class|lesson|test|check-up|checkup|recital|race|marathon|viva|defence|holiday|gig|rehearsal|due date|"
    r"name day|half marathon)"
)
