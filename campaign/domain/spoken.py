"""Understands simple spoken answers: yes and no, numbers, one of several choices, days and times.

Used by the scripted agent and to check what a model passes to a tool. English words for numbers, days and
times; yes and no in every language we have lines for. What isn't understood is None, never a guess.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from math import isfinite
from typing import Final

_UNIT_WORDS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TEN_WORDS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS: Final = {word: value for value, word in enumerate(_UNIT_WORDS.split())} | {
    "a": 1, "an": 1, "couple": 2, "dozen": 12,
}  # fmt: skip
_TENS: Final = {word: 10 * (place + 2) for place, word in enumerate(_TEN_WORDS.split())}
_SCALES: Final = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_ORDINALS: Final = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14,
    "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19,
    "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_DAY_PARTS: Final = {
    "morning": time(10), "noon": time(12), "midday": time(12), "lunch": time(12), "afternoon": time(15),
    "evening": time(18), "tonight": time(19),
}  # fmt: skip
FURTHEST_DAYS: Final = 3650
"""Days ahead beyond which nobody means it; and dates end at the year 9999."""
DAYTIME: Final = time(10)
"""The hour that a day without one means."""

_NO: Final = re.compile(
    r"\b(?:no|nope|nah|not really|not at all|not now|not interested|never|negative|dont think so|im "
    r"not|i am not|"
    r"i dont|i do not|we dont|i cant|no gracias|non|nein|nee|pas du tout|not today|not for me|id rather not|"
    r"no thanks|no thank you)\b"
)
_YES: Final = re.compile(
    r"\b(?:yes|yeah|yep|yup|ya|sure|of course|ok|okay|absolutely|definitely|certainly|correct|right|"
    r"affirmative|"
    r"please do|go ahead|sounds good|that works|i do|i am|we do|why not|gladly|exactly|true|fine|i "
    r"would|id love to|"
    r"id like that|si|claro|por supuesto|vale|oui|bien sur|daccord|volontiers|ja|jawohl|gerne|naturlich|klar|"
    r"uh huh|mhm|mm hmm|speaking)\b"
)
_UNSURE: Final = re.compile(
    r"\b(?:not sure|maybe|perhaps|dont know|do not know|it depends|no idea|possibly|quiza|tal vez|"
    r"peut etre|vielleicht)\b"
)

_IN_THE_END: Final = re.compile(
    r"(?:and )?(?:so|but|anyway|anyhow|in the end|after all|all in all)"
    r"(?: (?:anyway|well|then|i suppose|i guess|i think|id say|i would say))*\b(?P<said>.*)"
)
"""A clause in which people come back from a story to their answer."""
_FLAT_YES: Final = re.compile(
    r"(?:yes|yeah|yep|sure|of course|definitely|absolutely|certainly|gladly)"
    r"(?: (?:yes|please|thanks|thank you|i do|i am|i would|we do))*"
)
_FLAT_NO: Final = re.compile(
    r"(?:no|nope|rather not|not really)(?: (?:no|thanks|thank you|i dont|im not|we dont))*"
)


@lru_cache(maxsize=512)  # a script's lines are compared with every answer
def plain(text: str) -> str:
    """Lower case, without accents, apostrophes and punctuation, single spaces."""
    if text.isascii():
        folded = text.lower()
    else:
        folded = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss"))
        folded = "".join(char for char in folded if not unicodedata.combining(char))
    return " ".join(re.sub(r"[^\w]+", " ", re.sub(r"['’`]", "", folded)).replace("_", " ").split())


def yes_no(text: str) -> bool | None:
    """Yes, no, or None when it is neither or both.

    What begins with a no is a no ("no, I'm sure"); who tells a story means what they come back to in a clause
    of its own ("no, in April it was, and so on, so I suppose yes").
    """
    said = plain(text)
    if not said or _UNSURE.search(said):
        return None
    said = _with_hidden_yes(said)
    no, yes = _NO.search(said), _YES.search(_NO.sub(" ", said))
    if no and yes:
        return False if no.start() <= len("well ") and no.start() < yes.start() else _in_the_end(text)
    return True if yes else False if no else None


def _with_hidden_yes(said: str) -> str:
    """What sounds like a no and is a yes, as a yes."""
    return re.sub(r"\b(?:no problem|no worries|not a problem|why not)\b", "yes", said)


def _in_the_end(text: str) -> bool | None:
    """The flat yes or no that a story comes back to, if nothing after it says otherwise."""
    meant: bool | None = None
    announced = False
    for clause in re.split(r"[.,;:!?…—–]+", text):
        said = _with_hidden_yes(plain(clause))
        turn = _IN_THE_END.fullmatch(said)
        if turn or (announced and said):
            said = turn["said"].strip() if turn else said
            meant = True if _FLAT_YES.fullmatch(said) else False if _FLAT_NO.fullmatch(said) else None
            announced = turn is not None and not said
        elif said and meant is not None and (_NO if meant else _YES).search(said):
            meant = None
    return meant


def number(text: str) -> int | float | None:
    """The one number in what was said, from digits or English words; None when there is none or several."""
    written = re.findall(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?", text)
    if written:
        if len(written) > 1:
            return None
        value = float(written[0].replace(",", ""))
        value *= next(
            (scale for word, scale in _SCALES.items() if re.search(rf"\d\s+{word}", text.lower())), 1
        )
        if not isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    return _number_in_words(plain(text).split())


def _number_in_words(words: Sequence[str]) -> int | None:
    total = current = 0
    begun = False
    for place, word in enumerate(words):
        if word in _UNITS and not (word in ("a", "an") and not _counts(words, place)):
            if begun and word in ("a", "an"):
                continue
            current += _UNITS[word]
        elif word in _TENS:
            current += _TENS[word]
        elif word == "hundred":
            current = (current or 1) * 100
        elif word in _SCALES:
            total, current = total + (current or 1) * _SCALES[word], 0
        elif word == "and" and begun:
            continue
        elif begun:
            break
        else:
            continue
        begun = True
    return total + current if begun else None


def _counts(words: Sequence[str], place: int) -> bool:
    """Whether "a" at this place means one: before hundred, thousand, couple, dozen."""
    return place + 1 < len(words) and words[place + 1] in (*_SCALES,)


def choice(text: str, choices: Sequence[str]) -> str | None:
    """The one of `choices` that was said, by its words, part of them, or its place ("the second one")."""
    said = f" {plain(text)} "
    if not said.strip():
        return None
    exact = [option for option in choices if f" {plain(option)} " in said]
    if len(exact) > 1:
        longest = max(exact, key=len)
        exact = [longest] if all(plain(option) in plain(longest) for option in exact) else exact
    if exact:
        return exact[0] if len(exact) == 1 else None
    words = set(said.split())
    common = set.intersection(*(set(plain(option).split()) for option in choices)) if choices else set()
    partial = [option for option in choices if (set(plain(option).split()) - common) & words]
    if len(partial) == 1:
        return partial[0]
    for word, place in _ORDINALS.items():
        if word in words and place <= len(choices):
            return choices[place - 1]
    if "last" in words and choices:
        return choices[-1]
    return None


def day(text: str, today: date) -> date | None:
    """The day that was said: a date, "tomorrow", "next Friday", "the 24th", "November 24th 1980"."""
    if iso := re.search(r"\b(\d{4})-(\d{2})-(\d{2})", text):
        return _date(int(iso[1]), int(iso[2]), int(iso[3]))
    said = plain(re.sub(r"(\d)(?:st|nd|rd|th)\b", r"\1", text.lower()))
    words = said.split()
    if "day after tomorrow" in said:
        return today + timedelta(days=2)
    if "tomorrow" in words:
        return today + timedelta(days=1)
    if "today" in words or "tonight" in words or "this afternoon" in said or "this evening" in said:
        return today
    for number_of_day, name in enumerate(_WEEKDAYS):
        if re.search(rf"\b{name}s?\b", said):
            ahead = (number_of_day - today.weekday()) % 7 or 7
            if re.search(rf"\bnext (?:week )?{name}", said) and ahead < 7 - today.weekday():
                ahead += 7
            return today + timedelta(days=ahead)
    if found := _day_of_month(said, today):
        return found
    if "next week" in said:
        return today + timedelta(days=7 - today.weekday())
    if ahead_by := re.search(r"\bin (\w+) (day|week)s?\b", said):
        count = number(ahead_by[1]) or (1 if ahead_by[1] in ("a", "one") else None)
        days = count * (7 if ahead_by[2] == "week" else 1) if count else 0
        return today + timedelta(days=int(days)) if 0 < days <= FURTHEST_DAYS else None
    return None


def _day_of_month(said: str, today: date) -> date | None:
    month = next(
        (n + 1 for n, name in enumerate(_MONTHS) if re.search(rf"\b{name[:3]}(?:{name[3:]})?\b", said)), 0
    )
    if not month and not re.search(r"\bthe (\d{1,2}|(?:(?:twenty|thirty) )?\w+(?:st|nd|rd|th|eth))\b", said):
        return None
    year_found = re.search(r"\b(19\d\d|20\d\d)\b", said)
    rest = said.replace(year_found[0], " ") if year_found else said
    of_month = re.search(r"\b([1-9]|[12]\d|3[01])\b(?! (?:am|pm|oclock))", rest)
    value = int(of_month[1]) if of_month else _ordinal(rest)
    if not value:
        return None
    if year_found:
        return _date(int(year_found[1]), month or today.month, value)
    if month:
        near = _date(today.year, month, value)
        return near if near and near >= today else _date(today.year + 1, month, value)
    near = _date(today.year, today.month, value)
    if near and near >= today:
        return near
    return _date(today.year + today.month // 12, today.month % 12 + 1, value)


def _ordinal(said: str) -> int:
    words = said.split()
    for place, word in enumerate(words):
        if word in _ORDINALS:
            before = words[place - 1] if place else ""
            return _ORDINALS[word] + (_TENS.get(before, 0) if _ORDINALS[word] < 10 else 0)
    return 0


def _date(year: int, month: int, of_month: int) -> date | None:
    try:
        return date(year, month, of_month)
    except ValueError:
        return None


def clock_time(text: str) -> time | None:
    """The time of day that was said: "3 pm", "half past ten", "fifteen thirty", "in the morning".

    Without am or pm, one to seven o'clock means the afternoon and eight to eleven the morning, as nobody is
    called at night.
    """
    said = plain(re.sub(r"(?<=\d)[:.h](?=\d\d)", " ", re.sub(r"\b([ap])\.?\s?m\b\.?", r"\1m", text.lower())))
    said = re.sub(r"(\d)(am|pm)\b", r"\1 \2", said)
    half = "pm" if re.search(r"\b(?:pm|afternoon|evening|tonight|night)\b", said) else ""
    half = half or ("am" if re.search(r"\b(?:am|morning)\b", said) else "")
    value = r"(\d{1,2}|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve))"
    if past := re.search(
        rf"\b(half|quarter|five|ten|twenty|\d{{1,2}}) (?:minutes )?(past|after|to|before) {value}\b", said
    ):
        minutes = {"half": 30, "quarter": 15}.get(past[1]) or _small(past[1])
        hour = _hour(_small(past[3]), half)
        if hour is None or minutes is None:
            return None
        total = hour * 60 + (minutes if past[2] in ("past", "after") else -minutes)
        return time(total // 60 % 24, total % 60)
    minute = r"(?: (\d\d|oh \w+|ten|fifteen|(?:twenty|thirty|forty|fifty) five|twenty|thirty|forty|fifty))"
    patterns = (
        rf"\b{value}{minute}?(?: oclock)? (?:am|pm|oclock|in the)\b",
        rf"\b(?:at|around|about|by|after|before|from) {value}{minute}?\b(?! (?:days|weeks|hours|minutes))",
        rf"\b{value}{minute}\b",
        rf"^{value}$",
        rf"\b{value} oclock\b",
    )
    for pattern in patterns:
        if found := re.search(pattern, said):
            hour = _hour(_small(found[1]), half)
            minutes = (
                _small(found[2].removeprefix("oh "))
                if found.lastindex and found.lastindex > 1 and found[2]
                else 0
            )
            if hour is not None and minutes is not None and minutes < 60:
                return time(hour, minutes)
    return next((at for word, at in _DAY_PARTS.items() if re.search(rf"\b{word}\b", said)), None)


def _small(said: str) -> int | None:
    return int(said) if said.isdigit() else _number_in_words(said.split())


def _hour(hour: int | None, half: str) -> int | None:
    if hour is None or hour > 23:
        return None
    if half == "pm" and hour < 12:
        return hour + 12
    if half == "am":
        return hour % 12 if hour <= 12 else hour
    return hour + 12 if not half and 1 <= hour <= 7 else hour


def moment(text: str, now: datetime) -> datetime | None:
    """The instant that was said, in the zone of `now`, after `now`.

    Args:
        text: "tomorrow at three", "in two hours", "Friday morning", "2026-11-24T15:00".
        now: the present, aware, in the person's own zone.

    A day alone means ten in the morning; an hour alone means its next occurrence. None when neither was
    said, or when the instant is past.
    """
    if iso := re.search(r"\b(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})", text):
        at = (
            _wall(date.fromisoformat(iso[1]), time.fromisoformat(iso[2]), now)
            if _valid(iso[1], iso[2])
            else None
        )
        return at if at and at > now else None
    said = plain(text)
    if ahead := re.search(
        r"\bin (?:about |like )?(half an|an|a|a couple of|a few|\w+(?: \w+)?) (minute|hour)s?\b", said
    ):
        amount = {"half an": 0.5, "an": 1, "a": 1, "a couple of": 2, "a few": 3}.get(ahead[1])
        counted = amount if amount is not None else number(ahead[1])
        minutes = counted * (60 if ahead[2] == "hour" else 1) if counted is not None else 0
        if 0 < minutes <= FURTHEST_DAYS * 24 * 60:
            return now + timedelta(minutes=minutes)
    on, at_time = day(text, now.date()), clock_time(_without_date(text))
    if on is None and at_time is None:
        return None
    at = _wall(on or now.date(), at_time or DAYTIME, now)
    if at <= now and on is None:
        at = _wall(now.date() + timedelta(days=1), at_time or DAYTIME, now)
    return at if at > now else None


def _without_date(text: str) -> str:
    """The text without what names a day of a month, so that its number isn't read as an hour."""
    months = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS)
    text = re.sub(r"\b\d{4}-\d{2}-\d{2}\b", " ", text.lower())
    text = re.sub(rf"\b(?:{months})\s+(?:the\s+)?\w+(?:st|nd|rd|th)?\b", " ", text)
    return re.sub(r"\b(?:the\s+)?\d{1,2}(?:st|nd|rd|th)\b", " ", text)


def _valid(on: str, at: str) -> bool:
    try:
        date.fromisoformat(on), time.fromisoformat(at)
    except ValueError:
        return False
    return True


def _wall(on: date, at: time, now: datetime) -> datetime:
    return datetime.combine(on, at, tzinfo=now.tzinfo)
