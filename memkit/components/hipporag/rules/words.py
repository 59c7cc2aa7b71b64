"""The closed-class words that the rules know, in a few languages: what a name is not, and what holds a name together.

They are short on purpose. A language that is missing loses nothing but the cleaning of a sentence's first word.
"""

from __future__ import annotations


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


ARTICLES = {
    "en": _words("a an the"),
    "de": _words("der die das den dem des ein eine einen einem einer eines"),
    "fr": _words("le la les l' un une des du au aux"),
    "es": _words("el la los las un una unos unas al del"),
    "it": _words("il lo la i gli le un uno una al dal del della dei degli delle nel nella"),
    "pt": _words("o a os as um uma ao do da dos das no na nos nas"),
    "nl": _words("de het een"),
}

ENGLISH = _words(
    "a an the this that these those such each every either neither both all any some no none not nor one two three four",
    "five six seven eight nine ten first second third last next another other others several many much most more few",
    "less least only own same",
    "i me my mine we us our ours you your yours he him his she her hers it its they them their theirs himself herself",
    "itself themselves who whom whose which what where when why how whether whatever whoever whichever wherever",
    "and or but so yet if then than because although though while whereas since until unless once as like",
    "of in on at by for with from to into onto upon about above across after against along among amid around before",
    "behind below beneath beside besides between beyond despite down during except inside near off out outside over",
    "past per through throughout toward towards under underneath up via within without according following including",
    "starring featuring",
    "is are was were be been being am has have had having do does did doing done can could may might must shall should",
    "will would cannot isn't aren't wasn't weren't don't doesn't didn't won't wouldn't can't couldn't it's he's she's i'm",
    "i've i'll i'd we're we've they're that's there's let's you're",
    "there here now today tomorrow yesterday later soon already still also too very even just again ever never always",
    "often sometimes usually however therefore thus hence moreover furthermore meanwhile nevertheless nonetheless",
    "instead otherwise rather perhaps maybe please yes hello hi hey thanks thank okay ok oh well right sure",
)

OTHERS = _words(
    # German
    "der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren wird wurde wurden hat",
    "hatte haben im in am an auf aus bei mit nach seit von vom zu zum zur für über unter durch gegen ohne um er sie es",
    "wir ihr ich sein seine seiner ihre ihrer als auch nicht nur noch wie wenn dass sich dort hier nachdem während",
    # French
    "le la les un une des du de au aux et ou mais est sont était fut été sera a ont avait dans en sur sous par pour avec",
    "sans chez vers depuis il elle ils elles on nous vous je ce cet cette ces son sa ses leur leurs qui que quand",
    "comme plus après avant selon entre c'est",
    # Spanish, Portuguese, Italian
    "el los las una unos unas y o u pero es son fue era fueron ha han había en con sin sobre desde hasta para por según",
    "entre su sus se que quien cuando como más tras este esta estos estas ese esa yo tú él ella nosotros ellos no si",
    "os as um uma ao do da dos das no na nos nas e ou mas é são foi eram em com sem pelo pela seu sua quando ele ela",
    "il lo gli uno ed ma è sono fu nel nella nei con su per tra fra dal dalla suo sua suoi che chi quando dopo questo",
    # Dutch
    "het een en of maar was werd zijn heeft in op van met voor door naar bij uit over hij zij wij ze dit dat die deze",
    # Russian, Ukrainian, Bulgarian
    "и в во на с со к ко по за из от до о об у не но а или что как это этот эта эти тот он она оно они его её их мы вы я",
    "был была было были есть также после перед при для под над между через если когда где который которая которые і й та",
    "є що як це він вона вони із зі у се е са към след преди",
    # Greek
    "ο η το οι τα του της των τον την τους τις στο στη στην στον στα στις και ή αλλά είναι ήταν με σε από για προς κατά",
    "μετά πριν που πως ότι αυτός αυτή αυτό ένας μια ένα δεν θα να ως",
)  # fmt: skip

FUNCTION = ENGLISH | OTHERS

PRONOUNS = _words(
    "he she it they him them his her hers its their theirs er sie es il elle ils elles él ella ellos ele ela он она оно",
    "они его её их αυτός αυτή hij zij",
)
SPEAKING = _words(
    "i i'm i've i'll i'd me my mine myself we we're we've we'll us our ours ich wir mein je j'ai mon ma yo mi eu"
)

# What the page may call the thing that it is about ("the film", "the city").
KINDS = _words(
    "film movie song album single novel book play series show episode game band group company city town village county",
    "state country island river lake mountain university school college church club team league party magazine newspaper",
    "journal award festival station airport building museum museums bridge railway organization organisation institution",
    "district municipality province region kingdom empire war battle ship aircraft species genus plant language author",
    "singer actor actress director politician player",
)

INNER = _words(
    "of the de da do dos das del della delle dei degli di du des d' der den dem la las le les los van von vom zu zur zum ter",
    "ten tot op het af av og och al el bin ibn ben bint ap ab y upon und et en e",
)
"""Lower-case words that hold a name together between two capitals."""
LINKING = INNER - _words("the la las le les los het den dem und et en e")
"""Those of `INNER` that may come first after a capital; articles only after one of these."""

BODIES = _words(
    "ministry department academy college school institute faculty office board bureau council society museum centre center",
    "commission committee association federation agency foundation fund award prize medal order campaign church house",
    "minister secretary union conference party movement college union",
)
"""Heads of names that go on with "for" and "and" ("Department of Health and Human Services")."""

ADDRESS = _words("mr mrs ms miss dr prof herr frau señor señora don doña madame monsieur")
HONORIFICS = ADDRESS | _words(
    "professor sir dame lord lady rev reverend president chancellor senator governor mayor colonel lieutenant sergeant",
    "admiral commander ambassador congressman congresswoman chairman actor actress director singer composer author writer",
    "poet producer journalist guitarist drummer",
)
"""Words before a person's name that are no part of it; those of `ADDRESS` also before a single word."""
ROYAL = _words("king queen prince princess emperor empress pope tsar czar sultan duke duchess count countess archduke")

ABBREVIATED = _words(
    "mr mrs ms dr prof rev st mt ft jr sr inc ltd co corp bros no vs gen col lt capt sgt gov sen rep hon dept univ",
    "est ca vol pp fig al approx jan feb mar apr jun jul aug sep sept oct nov dec bzw ca nr z.b mme mlle",
)

PLACED = _words(
    "north south east west northern southern eastern western central upper lower new old great greater san santa saint st",
    "los las el la le lake mount fort port cape isle sri saudi united inner outer royal national international",
)
"""First words that make another name of what follows: "West Virginia" is not called "Virginia"."""

NATIONS = _words(
    "french dutch german greek swiss welsh thai czech american african mexican cuban moroccan texan israeli iraqi saudi",
    "european korean chilean roman norman serb croat slovak finn dane swede turk arab bengali punjabi pakistani afghan afro",
)
NATIONAL = ("ian", "ese", "ish", "rican", "stani", "landic")
"""What adjectives of nations end in."""

OWNERS = _words(
    "women men children people king queen prince world boy girl lady ladies worker teacher student mother father"
)
"""Common nouns whose possessive begins or goes on with a name ("Women's National League") and does not end one."""

HYPHENED = _words(
    "based born language speaking style led owned winning era like trained educated wide run funded backed built held made",
    "designed inspired themed related controlled occupied allied born raised area bound produced born class type",
)

MONTHS = _words(
    "january february march april may june july august september october november december",
    "jan feb mar apr jun jul aug sep sept oct nov dec",
    "januar februar märz mai juni juli oktober dezember",
    "janvier février mars avril juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre",
    "janeiro fevereiro março maio junho julho setembro outubro novembro dezembro",
    "januari februari maart mei augustus",
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου ιουλίου αυγούστου σεπτεμβρίου οκτωβρίου νοεμβρίου δεκεμβρίου",
)
DAYS = _words("monday tuesday wednesday thursday friday saturday sunday")

UNITS = _words(
    "km kilometre kilometres kilometer kilometers m metre metres meter meters cm mm mile miles mi feet foot ft inch inches",
    "yards acre acres hectare hectares ha km² m² kg kilogram kilograms g gram grams tonne tonnes ton tons lb lbs pounds",
    "litre litres liter liters percent per cent hour hours minute minutes second seconds day days week weeks month",
    "months year years mph kn knots mw kw gw hz khz mhz ghz mb gb tb °c °f dollars euros yen rupees people inhabitants",
)
SCALES = _words("hundred thousand million billion trillion square cubic")

# Scripts without capitals: what stands between the words that tell.
BARE = _words(
    # Hindi, Arabic, Persian, Hebrew
    "का के की में है हैं और से को ने था थी थे पर एक यह वह ये वे इस उस जो कि भी हो गया तक लिए साथ द्वारा तथा या नहीं कर किया",
    "في من على إلى عن مع هو هي هذا هذه ذلك التي الذي كان كانت أن إن ما لا أو ثم قد بعد قبل كل بين و هم",
    "در به از که این آن را با است بود برای یک تا شد هم می نیز های",
    "של את על הוא היא הם זה זו אשר גם כי לא או עם אל מן כל היה היתה יש אך בין",
)  # fmt: skip
JOINTS = (
    # Chinese, Japanese and Thai: cut where one of these stands
    "以及|以后|之后|因为|所以|但是|并且|或者|我们|他们|她们|它们|这个|那个|一个|没有|可以|因此|由于|位于|成为|"
    "的|是|在|了|和|与|於|于|有|为|為|也|之|等|及|或|而|被|把|从|從|到|对|對|由|以|他|她|它|我|你|这|這|那|"
    "ที่|เป็น|ใน|และ|ของ|ได้|มี|จาก|ให้|กับ|ซึ่ง|โดย|หรือ|ไป|มา|การ|ว่า|แต่|จะ|คือ|อยู่|เขา|เธอ"
)
ENDINGS = tuple("에서는 에서 으로 에게 까지 부터 이다 은 는 이 가 을 를 의 에 로 와 과 도 만".split())
"""Korean particles, longest first."""
