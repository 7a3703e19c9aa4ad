"""The story of a number, told in sentences, in the order in which a person would ask."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from campaign.domain.calling_window import known_zone
from campaign.domain.decision import in_words
from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.facts import INVALID, utc
from campaign.domain.lookup import Want
from campaign.domain.pack_rules import LEVEL_WORDS
from campaign.domain.summary import BY_RULE
from campaign.flow.explain import CampaignPart, Story
from campaign.store.dnc import Hit
from campaign.store.lookups import LookupRow
from campaign.store.story import ContactRow, Happening, TriedRow

_SOURCES = {
    "conversation": "said in a conversation",
    "keypress": "by a key in a call",
    "inbound": "in a call that they made to us",
    "api": "through the API",
    "import": "from a file",
    "cli": "on the command line",
    "console": "in the console",
}


_CODES = frozenset(disposition.value for disposition in Disposition)


def tell(told: Story) -> Iterator[tuple[str, Sequence[str]]]:
    """Yields (heading, sentences); the first part says who it is, the last what was tried."""
    yield told.number.e164, list(_who(told))
    if told.contacts:
        yield "Contact lists", [_contact(one) for one in told.contacts]
    yield "Do-not-call", [_hit(one) for one in told.dnc] or ["It stands on no do-not-call list."]
    if told.lookups:
        yield "Look-ups", [lookup_in_words(one) for one in told.lookups]
    for part in told.campaigns:
        yield f"Campaign {part.enrolment.campaign}", list(_campaign(part))
    yield "Attempts", list(_attempts(told)) or ["It was never called."]


def _who(told: Story) -> Iterator[str]:
    kind = told.number.kind.value.replace("_", " ")
    regions = ", ".join(told.place.regions) or ", ".join(told.place.countries) or "an unknown place"
    yield f"A number of {told.number.region} ({kind}); the person may be in {regions}."
    zones = [zone for zone in told.place.zones if known_zone(zone)]
    if zones:
        clocks = [f"{told.at.astimezone(ZoneInfo(zone)):%H:%M} in {zone}" for zone in zones]
        yield f"It is now {', '.join(clocks)}."
    else:
        yield "No time zone is known for it, so it cannot be called."
    if not told.known:
        yield "Nothing is stored about it: it is on no list, in no campaign, and was never called."


def _contact(contact: ContactRow) -> str:
    line = f", line {contact.line}" if contact.line else ""
    numbers = [contact.phone, *contact.other_phones]
    several = f"; numbers in order: {', '.join(numbers)}" if len(numbers) > 1 else ""
    consent = LEVEL_WORDS.get(contact.consent, contact.consent)
    if contact.consent_at:
        consent += f" of {contact.consent_at:%Y-%m-%d}"
    if contact.consent_source:
        consent += f" ({contact.consent_source})"
    hidden = "" if contact.imported else " Its import is not finished, so no campaign sees it yet."
    return f"On list {contact.list_name}{line} since {utc(contact.created_at)}; {consent}{several}.{hidden}"


def _hit(hit: Hit) -> str:
    quote = f', in their words: "{hit.quote}"' if hit.quote else ""
    how = _SOURCES.get(hit.source, hit.source)
    scope = {"own": "no campaign calls it", "campaign": "campaigns that use that list do not call it"}
    meant = scope.get(hit.kind, "the rules of its country say what that means")
    return f"On {hit.list_name} since {utc(hit.added_at)} ({hit.reason}; {how}, {hit.actor}{quote}): {meant}."


def lookup_in_words(one: LookupRow) -> str:
    """An answer about a number, who gave it, who asked, and what it cost."""
    carrier = f", with {one.detail['carrier']}" if "carrier" in one.detail else ""
    code = (
        f", as {one.source} has nothing on it ({one.detail['error_code']})"
        if "error_code" in one.detail
        else ""
    )
    if one.what == Want.LINE_TYPE:
        line = one.answer.replace("_", " ")
        said = "it is no valid number" if one.answer == INVALID else f"it is a {line} line{carrier}{code}"
    else:
        owner = {"yes": "it has a new owner", "no": "it has no new owner"}.get(
            one.answer, "nobody knows whether it has a new owner"
        )
        said = f"{owner} since {one.about}{code}"
    return f"{utc(one.asked_at)}: {said} ({one.source}, asked by {one.actor}, cost {one.cost})."


def _campaign(part: CampaignPart) -> Iterator[str]:
    one = part.enrolment
    why = f" ({one.campaign_why})" if one.campaign_why else ""
    yield f"The campaign is {one.campaign_state}{why}."
    yield _standing(part)
    if part.now is not None:
        yield f"Judged now: {in_words(part.now)}"
    for kept in part.kept:
        dialled = "dialled. " if kept.decision.allowed else ""
        packs = ", ".join(f"{pack} {version}" for pack, version in kept.decision.packs)
        by = f" (packs: {packs})" if packs else ""
        yield f"{utc(kept.decided_at)}, {kept.phone}: {dialled}{in_words(kept.decision)}{by}"


def _standing(part: CampaignPart) -> str:
    one, row = part.enrolment, part.enrolment.row
    used = f"{row.attempts} of {part.attempts_allowed} attempts are used"
    match one.state:
        case "waiting":
            kinds = {"first": "its first call", "retry": "a retry", "callback": "the callback it asked for"}
            due = f"due {utc(row.next_at)}" if row.next_at else "due at no known time"
            held = f", held by {one.waiting_for}" if one.waiting_for else ""
            return f"It waits for {kinds.get(row.due_for, row.due_for)}, {due}{held}; {used}."
        case "calling":
            return f"It is being called now; {used}."
        case "blocked":
            return f"It is blocked by {one.waiting_for} since {utc(one.updated_at)}; {used}."
        case _:
            ended = _disposition(one.disposition)
            return f"It is done since {utc(one.updated_at)}{f': {ended}' if ended else ''}; {used}."


def _disposition(code: str | None) -> str:
    if code is None:
        return ""
    return MEANING[Disposition(code)].words if code in _CODES else code


def _attempts(told: Story) -> Iterator[str]:
    for one in told.attempts:
        yield _attempt(one)
        yield from (f"    {_happening(h)}" for h in told.happenings.get(one.id, ()))


def _attempt(one: TriedRow) -> str:
    text = f"{utc(one.intent_at)}: {_whose(one)}"
    if one.call_sid:
        text += f", call {one.call_sid}"
    steps = (
        ("placed", one.placed_at),
        ("rang", one.ringing_at),
        ("answered", one.answered_at),
        ("ended", one.ended_at),
    )
    text += "".join(f", {word} {_clock(at)}" for word, at in steps if at)
    if one.answered_by:
        text += f", answered by {one.answered_by}"
    if one.turned_away:
        text += f", turned away ({one.turned_away})"
    if one.cancel_why:
        text += f", cancelled ({one.cancel_why})"
    if one.error:
        code = f" {one.error_code}" if one.error_code else ""
        text += f", error{code}: {one.error}"
    return f"{text}. {_ending(one)}"


def _whose(one: TriedRow) -> str:
    way = f"to {one.phone} from {one.caller_id}"
    match one.kind:
        case "test":
            return f"A test call {way}"
        case "inbound":
            about = f" about {one.campaign}" if one.campaign else ""
            return f"A call to us{about}, from {one.phone} to {one.caller_id}"
        case _:
            return f"Attempt {one.number} of {one.campaign} ({one.due_for}) {way}"


def _ending(one: TriedRow) -> str:
    if one.disposition is None:
        held = f" until {utc(one.hold_until)} at most" if one.hold_until else ""
        if one.state == "unknown":
            return f"Whether Twilio placed it is not known; the number is held{held}."
        return f"It has not ended yet ({one.state})." if one.settled_at is None else "It has no outcome yet."
    text = f"Outcome: {_disposition(one.disposition)} ({one.category}), {one.seconds} s"
    if one.cost is not None:
        text += f", cost {one.cost:.4f}"
    if one.retry_at:
        text += f"; next try {utc(one.retry_at)}"
    elif one.final:
        text += "; final"
    by = "by rule" if one.summary_by in (None, "", BY_RULE) else f"written by the model {one.summary_by}"
    return f"{text}.{f' Summary ({by}): {one.summary}' if one.summary else ''}"


def _happening(one: Happening) -> str:
    detail = one.detail
    match one.kind:
        case "session":
            state = f"{detail['turns']} turns" if detail.get("opened") else "never opened"
            ended = f", closed: {detail['closed_why']}" if detail.get("closed_why") else ""
            return f"{_clock(one.at)} conversation session {detail['ordinal']}: {state}{ended}"
        case "recovery":
            became = f", which {detail['became']}" if detail.get("became") else ""
            return f"{_clock(one.at)} recovery ({detail['why']}): answered {detail['answer']}{became}"
        case "wrap_up":
            return f"{_clock(one.at)} {wrap_up(detail)}"
        case kind:
            known = (detail.get("status"), detail.get("answered_by"), detail.get("error"))
            late = " (not handled yet)" if detail.get("unhandled") else ""
            return f"{_clock(one.at)} Twilio, {kind}: {', '.join(filter(None, known)) or 'asked'}{late}"


def wrap_up(detail: Mapping[str, Any]) -> str:
    """What a model made of the call after it, with what it changed and what did not count."""
    who = f"wrap-up by the model {detail['profile']}"
    if detail["state"] == "due":
        error = f" (so far: {detail['error']})" if detail.get("error") else ""
        return f"{who}: due{error}"
    if detail["state"] == "failed":
        return f"{who}: given up after {detail['tries']} tries: {detail.get('error', 'nobody knows why')}"
    parts = [
        f"version {detail.get('prompt_version', '?')} of our instructions, asked by {detail['asked_by']}"
    ]
    if detail.get("disposition"):
        parts.append(f"{_disposition(detail.get('concluded'))} became {_disposition(detail['disposition'])}")
    for key, answer in (detail.get("answers") or {}).items():
        was = f" (the talk had {answer['was']!r})" if "was" in answer else " (missed in the talk)"
        parts.append(f"{key}: {answer['now']!r}{was}")
    parts += [f"not counted: {why}" for why in detail.get("refused", ())]
    return f"{who}: {'; '.join(parts)}"


def _clock(at: datetime) -> str:
    return utc(at).split(" ")[1]
