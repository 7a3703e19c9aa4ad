"""Values in the words of a page: numbers, money, durations, phone numbers, instants, dispositions."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from markupsafe import Markup

from campaign.domain.disposition import MEANING, Disposition

NONE = "–"


def number(value: float | Decimal | None, places: int = 0) -> str:
    """1234567 → "1,234,567"; a dash for none."""
    return NONE if value is None else f"{value:,.{places}f}"


def percent(part: float | None, whole: float | None = None, places: int = 1) -> str:
    """A share in percent: of `whole`, or a fraction of 1; a dash where nothing can be said."""
    if part is None or whole == 0:
        return NONE
    return f"{part / (1 if whole is None else whole) * 100:.{places}f} %"


def money(value: float | Decimal | None, currency: str = "USD") -> str:
    """An amount: "$12.34" in US dollars, else "12.34 EUR"; parts of a cent are shown below ten cents."""
    if value is None:
        return NONE
    places = 4 if 0 < abs(float(value)) < 0.1 else 2
    return f"${value:,.{places}f}" if currency.upper() == "USD" else f"{value:,.{places}f} {currency.upper()}"


def duration(seconds: float | timedelta | None) -> str:
    """ "850 ms", "12 s", "3 min 05 s", "2 h 10 min", "3 d 4 h"; a dash for none."""
    if seconds is None:
        return NONE
    value = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if value < 0:
        return "-" + duration(-value)
    if 0 < value < 1:
        return f"{value * 1000:.0f} ms"
    whole = round(value)
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h} h"
    if hours:
        return f"{hours} h {m:02} min"
    return f"{m} min {s:02} s" if minutes else f"{s} s"


@lru_cache(maxsize=4096)
def phone(e164: str | None) -> str:
    """+12025550123 → "+1 202-555-0123"; what is no number stays as it is."""
    if not e164:
        return NONE
    try:
        return phonenumbers.format_number(
            phonenumbers.parse(e164, None), phonenumbers.PhoneNumberFormat.INTERNATIONAL
        )
    except phonenumbers.NumberParseException:
        return e164


def moment(
    at: datetime | None, zone: ZoneInfo, contact_zone: str | None = None, *, seconds: bool = False
) -> Markup:
    """An instant as `<time>` in the viewer's zone, with the contact's own time beside it.

    Args:
        contact_zone: where the person is, if that is known and matters.
        seconds: show them too.
    """
    if at is None:
        return Markup('<span class="none">–</span>')
    here = at.astimezone(zone)
    form = "%Y-%m-%d %H:%M" + (":%S" if seconds else "")
    shown = Markup('<time datetime="{}" title="{} {}">{}</time>').format(
        at.astimezone(UTC).isoformat(), here.strftime("%A, %Y-%m-%d %H:%M:%S"), zone.key, here.strftime(form)
    )
    if not contact_zone:
        return shown
    try:
        there = at.astimezone(ZoneInfo(contact_zone))
    except (ValueError, KeyError, OSError):
        return shown
    day = "" if there.date() == here.date() else there.strftime("%a ")
    return shown + Markup(
        ' <span class="there" title="the contact’s own time ({})">{}{} there</span>'
    ).format(contact_zone, day, there.strftime("%H:%M"))


def ago(at: datetime | None, now: datetime, zone: ZoneInfo) -> Markup:
    """How long ago, or in how long, with the instant itself as title: "3 min ago", "in 2 h"."""
    if at is None:
        return Markup('<span class="none">never</span>')
    seconds = (now - at).total_seconds()
    span = abs(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if span >= size:
            said = f"{span // size:.0f} {unit}"
            said = f"{said} ago" if seconds >= 0 else f"in {said}"
            break
    else:
        said = "just now"
    return Markup('<time datetime="{}" title="{} {}">{}</time>').format(
        at.astimezone(UTC).isoformat(), at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"), zone.key, said
    )


_INSTANT = re.compile(
    r"(?:(\d{4}-\d\d-\d\d)[ T])?(?<!\d)(\d\d:\d\d)(:\d\d)?(?:\.\d+)?(?: UTC|Z|\+00:00)(?!\w|:\d)"
)
_COMMANDS = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (r'Start it with: campaign start ".*"', "Start it when all is ready."),
        (r'Go on with: campaign resume ".*"', "Resume it when it shall go on."),
        (r'Mend that, then: campaign resume ".*"', "Mend that, then resume it."),
        (r' To call some again: campaign redial ".*" --disposition \w+', ""),
        (r"An admin lifts it with: campaign stop --lift", "An admin can let it go on."),
        (r"Raise it with: campaign edit", "Raise it by editing the campaign while it is paused."),
        (r"with: campaign edit", "by editing the campaign while it is paused."),
        (r"First: campaign webhooks enable \d+", "Switch it on first."),
        (r"campaign webhooks list shows it\.", "It stands in the list."),
        (r"; campaign explain NUMBER tells why", "; the person’s page tells why"),
    )
)
"""What sentences for the command line advise → the same advice where there are buttons."""


def advice(sentence: str) -> str:
    """A sentence of the service's, with what to do said for somebody who has buttons, not a command line."""
    for pattern, said in _COMMANDS:
        sentence = pattern.sub(said, sentence)
    return sentence


def localized(sentence: str, now: datetime, zone: ZoneInfo) -> Markup:
    """A sentence with its instants ("14:00 UTC", "2026-11-24 14:00 UTC") in the viewer's zone.

    Args:
        now: the sentence's own present: an hour without a date is of that UTC day.
    """
    told, at = Markup(), 0
    for found in _INSTANT.finditer(sentence):
        day = found[1] or now.astimezone(UTC).date().isoformat()
        try:
            then = datetime.fromisoformat(f"{day}T{found[2]}{found[3] or ''}+00:00")
        except ValueError:
            continue
        here = then.astimezone(zone)
        same_day = here.date() == now.astimezone(zone).date()
        form = ("%H:%M" if same_day else "%Y-%m-%d %H:%M") + (":%S" if found[3] not in (None, ":00") else "")
        told += Markup('{}<time datetime="{}" title="{}">{}</time>').format(
            sentence[at : found.start()], then.isoformat(), found[0], here.strftime(form)
        )
        at = found.end()
    return told + sentence[at:]


def hours_there(at: datetime, zones: Sequence[str]) -> Markup:
    """The time of day where a person may be: "08:02 there", "08:02–11:02 there"; nothing for no zone."""
    times = []
    for name in zones:
        try:
            times.append(at.astimezone(ZoneInfo(name)))
        except (ValueError, KeyError, OSError):
            continue
    times.sort(key=lambda one: one.replace(tzinfo=None))
    ends = list(dict.fromkeys(one.strftime("%H:%M") for one in (times[0], times[-1]))) if times else []
    if not ends:
        return Markup()
    return Markup('<span class="there" title="{}">{} there</span>').format(", ".join(zones), "–".join(ends))


_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""What stands in a browser's own name → its name; the first that does: all claim to be Safari."""
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def browser(agent: str) -> str:
    """What a browser calls itself, as people know it: "Firefox on Windows"."""
    program = next((name for mark, name in _BROWSERS if mark in agent), "Some program")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{program} on {system}" if system else program


def disposition_tone(code: str | None) -> str:
    """The colour of a disposition: success, neutral, failure, or dnc for somebody who must not be called."""
    if code == Disposition.DO_NOT_CALL:
        return "dnc"
    try:
        return MEANING[Disposition(code or "")].category.value
    except ValueError:
        return "neutral"


def disposition_words(code: str | None) -> str:
    """What a disposition means, in a short phrase."""
    try:
        return MEANING[Disposition(code or "")].words
    except ValueError:
        return code or NONE


def as_json(value: object) -> Markup:
    """A value for a `<script type="application/json">` block: nothing in it can end the block."""

    def plain(odd: object) -> object:
        if isinstance(odd, Decimal):
            return float(odd)
        if isinstance(odd, datetime):
            return odd.isoformat()
        raise TypeError(f"no JSON for {type(odd).__name__}")

    text = json.dumps(value, default=plain, separators=(",", ":"))
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def zone_of(name: str | None) -> ZoneInfo:
    """The viewer's zone from the cookie that our script sets; UTC when it says nothing usable."""
    if name and len(name) <= 60 and not name.startswith(("/", ".")):
        try:
            return ZoneInfo(name)
        except (ValueError, KeyError, OSError):
            pass
    return ZoneInfo("UTC")
