"""The REST side: parameters checked, resources shown, errors as Twilio words them.

Sources: parameters TWILIO 3.1; resource 3.2; update 3.3; list and paging 3.4; error JSON and codes
4.2 and 4.3; magic numbers 8.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Any
from urllib.parse import urlencode, urlsplit

from campaign.simulator.calls import API_VERSION, TERMINAL, Call, Why
from campaign.simulator.exchange import Exchange
from campaign.simulator.people import CUT, persona_of
from campaign.simulator.world import World

MORE_INFO = "https://www.twilio.com/docs/errors/"
CALL_STATES = frozenset(
    {"queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"}
)
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_OTHER_ADDRESS = re.compile(r"(sip:|client:)\S+")
_SEND_DIGITS = re.compile(r"[0-9A-D#*wW]{1,32}")
_MAGIC_TO = {
    "+15005550001": (21217, "Phone number does not appear to be valid"),
    "+15005550002": (21214, "'To' phone number cannot be reached"),
    "+15005550003": (21215, "Account not authorized to call this number"),
    "+15005550004": (21216, "Account not allowed to call this number"),
}
_RANGES = {
    "Timeout": (1, 600),
    "TimeLimit": (1, 86_400),
    "MachineDetectionTimeout": (3, 59),
    "MachineDetectionSpeechThreshold": (1000, 6000),
    "MachineDetectionSpeechEndThreshold": (500, 5000),
    "MachineDetectionSilenceTimeout": (2000, 10_000),
}


class Refusal(Exception):
    """A request that is refused, with Twilio's code and HTTP status (4.2)."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def body(self) -> dict[str, Any]:
        """The error JSON of 4.2."""
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"{MORE_INFO}{self.code}",
            "status": self.status,
        }


def authenticate(world: World, header: str) -> None:
    """HTTP Basic with AccountSid:AuthToken or API key:secret. Raises Refusal 20003, status 401."""
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, password = b64decode(encoded, validate=True).decode().partition(":")
    except (Base64Error, UnicodeDecodeError):
        user = password = ""
    config = world.config
    known = {config.account_sid: config.auth_token, config.api_key: config.api_secret}
    right = known.get(user)
    if scheme.lower() != "basic" or right is None or not compare_digest(right.encode(), password.encode()):
        raise Refusal(20003, "Authenticate", 401)


def not_found(path: str) -> Refusal:
    """The 404 for a resource that doesn't exist."""
    return Refusal(20404, f"The requested resource {path} was not found", 404)


# -- creating -------------------------------------------------------------------------------------


def check_create(world: World, params: Mapping[str, list[str]]) -> None:
    """Check all parameters of a create (3.1). Raises Refusal with the code of 4.3."""

    def first(name: str) -> str:
        values = params.get(name)
        return values[0] if values else ""

    to, from_ = first("To"), first("From")
    if not to:
        raise Refusal(21201, "No 'To' number is specified")
    if to in _MAGIC_TO:
        raise Refusal(*_MAGIC_TO[to])
    persona = persona_of(world.config, to, world.named).removesuffix(CUT)
    if persona == "bad_number" or not (_E164.fullmatch(to) or _OTHER_ADDRESS.fullmatch(to)):
        raise Refusal(
            21211,
            f"The phone number you are attempting to call, {to}, is not valid.",
        )
    _check_from(world, from_)
    _check_what_to_run(first("Url"), first("Twiml"), first("ApplicationSid"))
    check_common(params)
    digits = first("SendDigits")
    if digits and _SEND_DIGITS.fullmatch(digits) is None:
        raise Refusal(21208, f"SendDigits {digits} is not valid")
    if first("MachineDetection") not in ("", "Enable", "DetectMessageEnd"):
        raise Refusal(21234, "MachineDetection must be Enable or DetectMessageEnd")
    for name in ("AsyncAmd", "Record"):
        if first(name).lower() not in ("", "true", "false"):
            raise Refusal(21234 if name == "AsyncAmd" else 20001, f"{name} must be true or false")


def _check_from(world: World, from_: str) -> None:
    if not from_:
        raise Refusal(21213, "No 'From' number is specified")
    if _E164.fullmatch(from_) is None or from_ == "+15005550001":
        raise Refusal(21212, f"The source phone number provided, {from_}, is not valid")
    owned = world.config.caller_ids
    if owned is not None and from_ not in owned:
        raise Refusal(
            21210,
            f"The source phone number provided, {from_}, is not yet verified for your account. "
            "You may only make calls from phone numbers that you've verified or purchased from Twilio.",
        )


def _check_what_to_run(url: str, twiml: str, application: str) -> None:
    if not (url or twiml or application):
        raise Refusal(21205, "Url parameter is required.")
    if application:
        raise Refusal(
            21218, f"Invalid ApplicationSid {application}: the simulated account has no application"
        )
    if url:
        _check_url(21205, "Url", url)
    elif len(twiml) > 4000:
        raise Refusal(32018, "The Twiml parameter exceeds 4000 characters")


def _check_url(code: int, name: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "_" in parts.hostname:
        raise Refusal(code, f"{name} is not a valid URL: {url}")


def check_common(params: Mapping[str, list[str]]) -> None:
    """Check what create and update have in common."""
    for name, values in params.items():
        value = values[0] if values else ""
        if not value:
            continue
        if name in ("FallbackUrl", "StatusCallback", "AsyncAmdStatusCallback", "RecordingStatusCallback"):
            _check_url(21609 if name == "StatusCallback" else 21205, name, value)
        if name.endswith("Method") and value.upper() not in ("GET", "POST"):
            raise Refusal(21206, f"{name} must be GET or POST, not {value}")
        if name in _RANGES:
            low, high = _RANGES[name]
            if not value.isdigit() or not low <= int(value) <= high:
                raise Refusal(21209 if name == "Timeout" else 20001, f"{name} must be from {low} to {high}")


# -- updating -------------------------------------------------------------------------------------


async def update(world: World, exchange: Exchange, call: Call, params: Mapping[str, list[str]]) -> None:
    """Obey POST Calls/{sid}.json (3.3). Raises Refusal: 21220 for a call that has ended."""
    check_common(params)
    status = (params.get("Status") or [""])[0]
    url, twiml = (params.get("Url") or [""])[0], (params.get("Twiml") or [""])[0]
    if call.status in TERMINAL:
        raise Refusal(21220, f"Call is not in-progress. Cannot redirect. Invalid call state: {call.status}")
    if status:
        if status not in ("canceled", "completed"):
            raise Refusal(20001, f"Status must be canceled or completed, not {status}")
        if status == "canceled" and call.answered is not None:
            return  # 3.3: a call in progress is unaffected
        await exchange.interrupt(call, Why.REST_CANCELED if status == "canceled" else Why.REST_COMPLETED)
        return
    if url and twiml:
        raise Refusal(20001, "Url and Twiml are mutually exclusive")
    if url:
        _check_url(21205, "Url", url)
    for name in ("FallbackUrl", "FallbackMethod", "StatusCallback", "StatusCallbackMethod", "Method"):
        if params.get(name):
            call.params[name] = list(params[name])
    if url or twiml:
        call.params.pop("Url", None)
        call.params["Url" if url else "Twiml"] = [url or twiml]
        if call.answered is not None:
            await exchange.interrupt(call, Why.REDIRECT)


# -- listing --------------------------------------------------------------------------------------


def list_calls(
    world: World, exchange: Exchange, query: Mapping[str, str], path: str = "Calls.json"
) -> dict[str, Any]:
    """One page of the account's calls, newest first (3.4). Raises Refusal 20001 for a bad filter."""
    size = _page_size(query)
    now = world.clock.monotonic()
    to = query.get("To")
    calls = exchange.to_number(to) if to is not None else list(exchange.calls.values())
    found = [
        call
        for call in reversed(calls)
        if now >= call.created_at + world.faults.list_lag_seconds and _matches(call, query)
    ]
    page = int(query["Page"]) if query.get("Page", "").isdigit() else 0
    token = query.get("PageToken", "")
    if token:
        # The token names the last call of the page before, so that new calls shift nothing.
        last = exchange.calls.get(token.removeprefix("PA"))
        if last is None:
            raise Refusal(20001, f"PageToken {token} is not valid")
        start = sum(1 for call in found if call.serial >= last.serial)
    else:
        start = page * size
    part = found[start : start + size]
    filters = {name: value for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")}
    base = f"/{API_VERSION}/Accounts/{world.config.account_sid}/{path}"

    def uri(number: int, token: str = "") -> str:
        extra = {"PageToken": token} if token else {}
        return f"{base}?{urlencode({**filters, 'PageSize': size, 'Page': number, **extra})}"

    more = start + size < len(found)
    return {
        "first_page_uri": uri(0),
        "end": start + len(part) - 1 if part else start,
        "previous_page_uri": uri(page - 1) if page else None,
        "calls": [call.resource(now) for call in part],
        "uri": uri(page, token),
        "page_size": size,
        "start": start,
        "next_page_uri": uri(page + 1, f"PA{part[-1].sid}") if more and part else None,
        "page": page,
    }


def _page_size(query: Mapping[str, str]) -> int:
    text = query.get("PageSize", "50")
    if not text.isdigit() or int(text) < 1:
        raise Refusal(20001, f"PageSize must be from 1 to 1000, not {text}")
    return min(int(text), 1000)


def _matches(call: Call, query: Mapping[str, str]) -> bool:
    for name, value in query.items():
        match name:
            case "From":
                fits = call.from_ == value
            case "Status":
                if value not in CALL_STATES:
                    raise Refusal(20001, f"Status {value} is not valid")
                fits = call.status == value
            case "ParentCallSid":
                fits = call.parent_sid == value
            case "StartTime" | "StartTime<" | "StartTime>":
                fits = _in_time(call.started, name[len("StartTime") :], value)
            case "EndTime" | "EndTime<" | "EndTime>":
                fits = _in_time(call.ended, name[len("EndTime") :], value)
            case _:
                fits = True
        if not fits:
            return False
    return True


def _in_time(instant: datetime | None, how: str, text: str) -> bool:
    """Dates are UTC days, `>` is on-or-after; a call without the instant never matches (3.4)."""
    try:
        wanted = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise Refusal(20001, f"{text} is not a date such as 2026-01-31 or 2026-01-31T12:30:00Z") from error
    if wanted.tzinfo is None:
        wanted = wanted.replace(tzinfo=UTC)
    if instant is None:
        return False
    whole_day = len(text) == len("2026-01-31")
    match how:
        case ">":
            return instant >= wanted
        case "<":
            return instant < wanted + timedelta(days=1) if whole_day else instant <= wanted
    return wanted <= instant < wanted + (timedelta(days=1) if whole_day else timedelta(seconds=1))


# -- other resources ------------------------------------------------------------------------------


def account(world: World) -> dict[str, Any]:
    """The Account resource, as far as a health check reads it."""
    sid = world.config.account_sid
    return {
        "sid": sid,
        "friendly_name": "Simulated account",
        "status": "active",
        "type": "Full",
        "owner_account_sid": sid,
        "date_created": "Thu, 01 Jan 2026 00:00:00 +0000",
        "date_updated": "Thu, 01 Jan 2026 00:00:00 +0000",
        "uri": f"/{API_VERSION}/Accounts/{sid}.json",
        "subresource_uris": {"calls": f"/{API_VERSION}/Accounts/{sid}/Calls.json"},
    }


def number_of(sid: str) -> str | None:
    """The number whose sid this is: our own sids end in its digits."""
    digits = sid.removeprefix("PN").lstrip("0")
    return f"+{digits}" if _E164.fullmatch(f"+{digits}") else None


def numbers(world: World, query: Mapping[str, str], kind: str) -> dict[str, Any]:
    """IncomingPhoneNumbers or OutgoingCallerIds (`kind` in snake case): the account's caller ids.

    An account without a fixed list of caller ids owns every well-formed number that is asked for.
    """
    wanted = query.get("PhoneNumber", "")
    owned = world.config.caller_ids
    if kind == "outgoing_caller_ids":
        found: list[str] = []
    elif owned is None:
        found = [wanted] if _E164.fullmatch(wanted) else [] if wanted else ["+15005550006"]
    else:
        found = [number for number in owned if not wanted or number == wanted]
    base = f"/{API_VERSION}/Accounts/{world.config.account_sid}"
    name = "IncomingPhoneNumbers" if kind == "incoming_phone_numbers" else "OutgoingCallerIds"
    items = [
        {
            "sid": sid,
            "account_sid": world.config.account_sid,
            "phone_number": number,
            "friendly_name": number,
            "capabilities": {"voice": True, "sms": False, "mms": False, "fax": False},
            "voice_url": world.voice_urls.get(number, ""),
            "voice_method": "POST",
            "voice_application_sid": "",
            "uri": f"{base}/{name}/{sid}.json",
        }
        for number in found
        for sid in [f"PN{number.removeprefix('+'):0>32}"]
    ]
    return {
        kind: items,
        "page": 0,
        "page_size": 50,
        "start": 0,
        "end": max(0, len(items) - 1),
        "uri": f"{base}/{name}.json",
        "first_page_uri": f"{base}/{name}.json?Page=0&PageSize=50",
        "next_page_uri": None,
        "previous_page_uri": None,
    }
