"""Built-in sample of messages: written from patterns, of which it is known which words tell spam from chat."""

from __future__ import annotations

import re

import numpy as np

SPAM_SHARE = 0.13
"""As in the real collection."""
SPAM_WORDS = ("claim", "txt", "prize", "awarded", "urgent", "subscription", "voucher", "ringtone")
"""Words of the patterns of spam; people who chat use some of them too, but rarely."""
CHAT_WORDS = ("dinner", "mum", "later", "home", "bus", "eat", "exam", "birthday")
"""Words of the patterns of chat that no pattern of spam has."""

_REPEATS = 0.06  # share of messages that repeat another one
_SHORTHAND = {
    "you": "u",
    "are": "r",
    "to": "2",
    "for": "4",
    "your": "ur",
    "see": "c",
    "please": "pls",
    "tonight": "2nite",
}
# Numbers that were given to nobody: codes that begin with 1, and what the regulator keeps free for films. Addresses end
# in .example, which exists for examples only.
_SLOTS = {
    "name": ("Oda", "Milo", "Runa", "Teo", "Ilka", "Bram", "Suri", "Nico", "Jory", "Lene"),
    "place": ("the station", "town", "the library", "my place", "the gym", "college", "the park", "work"),
    "food": ("pizza", "curry", "noodles", "soup", "pasta", "cake"),
    "time": ("at 5", "at 7.30", "in 10 min", "after class", "tonight", "tomorrow", "on Friday", "at the weekend"),
    "thing": ("keys", "charger", "jacket", "notes", "book", "ticket", "umbrella"),
    "feeling": ("tired", "so happy", "a bit ill", "starving", "bored", "fine"),
    "prize": ("a £{sum} prize", "£{sum} cash", "a holiday for 2", "a new camera phone", "a £{sum} voucher"),
    "word": ("WIN", "CASH", "TONE", "PLAY", "LUCKY", "GO"),
    "goods": ("ringtone", "game", "logo", "quiz", "horoscope", "chat line"),
    "site": ("www.win{few}.example", "prizes.example/{few}", "http://tones.example", "www.bonus.example"),
    "firm": ("Parcel Post", "City Dental", "Northbank", "Quick Cabs", "Book Hall", "The surgery"),
    "more": (
        "", "", ". Call me {time}", ". {name} says hi", "... I want {food}", ". Need my {thing}", ". You free {time}?",
    ),
    "forwarded": ("You have won {prize}! To claim call {premium} now", "Txt {word} to {code} to win {prize}"),
    "laugh": ("lol", "haha", ":)", "xx", "", "", ""),
    "greeting": ("Hey", "Hi {name}", "Hiya", "Morning", "Ok", "Sorry", "Yo", "Hello"),
    "premium": ("0909 879 0{few}",),
    "mobile": ("07700 900{few}",),
    "code": ("1{many}",),
}  # fmt: skip

_SPAM = {
    "prize": (0.27, (
        "{opener} You have won {prize}! To claim call {premium} now{terms}",
        "{opener} your mobile number was awarded {prize}. Claim code {code}, call {premium}{terms}",
        "Congratulations {name}! {prize} is waiting for you, txt {word} to {code} to claim{terms}",
        "FINAL NOTICE: {prize} still not claimed. Call {premium} before midnight{terms}",
    )),
    "code": (0.23, (
        "Get a free {goods} every week, txt {word} to {code}. {few}p per msg, reply STOP to end",
        "New {goods} on your phone now! Reply {word} to {code}{terms}",
        "Your {goods} subscription is ready. To start reply YES, to end txt STOP to {code}",
        "Play the {goods} and win {prize}, send {word} to {code}{terms}",
    )),
    "claim": (0.15, (
        "You may be entitled to £{sum} for the accident you had. To claim free reply CLAIM, to opt out txt STOP",
        "Our records show you are due a refund of £{sum}. Call {premium} to claim{terms}",
        "URGENT! We tried to contact you about your loan. Cash of £{sum} approved, call {premium}",
    )),
    "link": (0.12, (
        "{opener} collect your voucher at {site} today",
        "Free entry to our weekly draw for {prize}, just visit {site}{terms}",
        "New friends in your area want to meet, see pics at {site}",
    )),
    # What sounds like a firm, or like a friend: a number gives it away, and sometimes nothing does.
    "lookalike": (0.08, (
        "{firm}: your order {code} could not arrive {time}. Call {premium}",
        "{firm}: your payment of £{few} is late, see {site}",
    )),
    "bait": (0.15, (
        "Hi it's {name}, lost your number, call me back on {premium} {laugh}",
        "{greeting}, are you at {place} {time}? I am {feeling}, ring me on {premium}",
        "{greeting}, are you at {place} {time}? I am {feeling} {laugh}",
        "{greeting}, {name} has a spare ticket {time}, call me if you want to come {laugh}",
    )),
}  # fmt: skip
_HAM = {
    "chat": (0.58, (
        "{greeting}, are you at {place} {time}? I am {feeling} {laugh}",
        "{greeting}, are you at {place} {time}? {laugh} {more}",
        "{greeting}, i am {feeling}. Going home {time} {laugh} {more}",
        "Did you eat? I made {food} for dinner {laugh} {more}",
        "Can you bring my {thing} {time}? I left it at {place} {laugh}",
        "Sorry, i'll call later, in a meeting {time}",
        "Just got to {place}, where are you? {laugh} {more}",
        "Mum says come for dinner {time}, there is {food} {laugh}",
        "You are so funny {laugh} {name} told me about the {thing} {more}",
        "Ok see you {time} {laugh} {more}",
        "Missed the bus, will be late. Start the {food} without me {laugh}",
        "How was the exam? I was {feeling} all day {more}",
    )),
    "plan": (0.18, (
        "Shall we meet at {place} {time}? {name} is coming too",
        "{greeting}, {name} has a spare ticket {time}, call me if you want to come {laugh}",
        "My new number is {mobile}, please save it {laugh} {name}",
        "Are you free {time}? Text me when you get home",
        "Happy birthday {name}! Have a great day, see you {time}",
    )),
    "service": (0.11, (
        "{firm}: your appointment is {time}. To change it call {mobile}",
        "{firm}: your order {code} arrives {time}. See www.track.example",
        "{firm}: thank you for your payment of £{few}. Reply STOP to get no more messages",
        "{firm}: your free check is due, call {mobile} to book",
    )),
    # What spam talks about, in the words of friends.
    "about": (0.09, (
        "Did you win the prize at the quiz? {name} won {food} {laugh}",
        "I got a txt that i won {prize}, must be spam {laugh}",
        "Urgent, call me now! I lost my {thing}",
        "Claim your {thing} from {name} or i keep it {laugh}",
        "The voucher for {food} is free, want to go {time}?",
        "{forwarded} - did you get this too? {laugh}",
        "Look what i got: {forwarded}",
    )),
    "short": (0.04, ("Ok", "Ok {laugh}", "On my way", "Yes please", "No way {laugh}", ":-)", "K")),
}  # fmt: skip
_OPENERS = ("", "", "URGENT!", "WINNER!!", "Congrats!", "Dear customer,", "FREE MSG:", "{name},")
_TERMS = ("", "", ". T&Cs apply", "! 18+ only", ". Cost £1.{two}/min", " at {site}")


def written_messages(number: int = 1500, seed: int = 0) -> tuple[list[str], list[str]]:
    """Write messages of invented people and firms, 13 % of them spam.

    Spam is a prize (27 %), a code to reply to (23 %), a claim (15 %), an address to visit (12 %), or looks like a firm
    (8 %) or a friend (15 %); half of the latter is in no way different from chat, so that nobody can be right about
    all. Ham is chat (58 %), plans (18 %), messages of firms (11 %), talk about spam, some with spam passed on (9 %), or
    a word or two (4 %). Then shorthand (u, 2, 4) replaces words in a third of the messages of both kinds, and capitals
    take over in some, of spam more often. 6 % repeat another message, half of these with other digits or letter case.
    `SPAM_WORDS` raise the probability of spam, `CHAT_WORDS` lower it.

    Args:
        number: how many messages.
        seed: the same seed gives the same messages.

    Returns:
        The messages and their labels, "spam" or "ham", in a random order.
    """
    rng = np.random.default_rng(seed)
    repeats = round(_REPEATS * number)
    labels = ["spam"] * round(SPAM_SHARE * (number - repeats))
    labels += ["ham"] * (number - repeats - len(labels))
    texts = [_styled(rng, _written(rng, label), label) for label in labels]
    for place in rng.integers(0, len(texts), repeats).tolist():
        texts.append(_repeated(rng, texts[place]))
        labels.append(labels[place])
    order = rng.permutation(len(texts)).tolist()
    return [texts[place] for place in order], [labels[place] for place in order]


def _written(rng: np.random.Generator, label: str) -> str:
    kinds = list((_SPAM if label == "spam" else _HAM).values())
    _, patterns = kinds[rng.choice(len(kinds), p=[share for share, _ in kinds])]
    text = _one(rng, patterns).replace("{opener}", _one(rng, _OPENERS)).replace("{terms}", _one(rng, _TERMS))
    # What stands in for a slot may have slots of its own.
    while "{" in text:
        text = re.sub(r"\{(\w+)\}", lambda slot: _filled(rng, slot[1]), text)
    return re.sub(r" +([.!?,])?", lambda gap: gap[1] or " ", text).strip()


def _filled(rng: np.random.Generator, slot: str) -> str:
    digits = {"two": (10, 100), "few": (100, 1000), "many": (1000, 10_000)}
    if slot in digits:
        return str(rng.integers(*digits[slot]))
    if slot == "sum":
        return str(rng.choice([100, 250, 500, 800, 1000, 2000, 5000]))
    return _one(rng, _SLOTS[slot])


def _one(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[rng.integers(len(options))]


def _styled(rng: np.random.Generator, text: str, label: str) -> str:
    """Return the message with shorthand or capitals, as some people write."""
    if rng.random() < 1 / 3:
        text = re.sub(r"\b[a-z]+\b", lambda word: _SHORTHAND.get(word[0], word[0]), text)
    capitals = rng.random()
    if capitals < (0.12 if label == "spam" else 0.03):
        return text.upper()
    return text.lower() if capitals > 0.7 and label == "ham" else text


def _repeated(rng: np.random.Generator, text: str) -> str:
    """Return the message again: as it was, or with other digits, or in other letters."""
    how = rng.random()
    if how < 0.5:
        return text
    if how < 0.75:
        # Only the last two, so that no number becomes one that somebody may have.
        return re.sub(r"\d\d\b(?! \d)", lambda _: str(rng.integers(10, 100)), text)
    return text.upper() if how < 0.9 else text.lower()
