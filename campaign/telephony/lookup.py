"""Who knows what a number is: one small interface, and Twilio's Lookup v2 behind it.

One GET asks everything that is wanted about a number: `/v2/PhoneNumbers/{number}?Fields=…` with
`LastVerifiedDate=YYYYMMDD` for reassignment (twilio.com/docs/lookup/v2-api, …/line-type-intelligence,
…/reassigned-number; fields also in the library's `rest/lookups/v2/phone_number.py`). Each package answers or
fails by itself: a 200 may carry `error_code` within a package (twilio.com/docs/api/errors/606…). Reading
changes nothing, so a look-up whose answer was lost is simply made again.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Protocol, assert_never

from twilio.rest import Client

from campaign.domain.facts import INVALID
from campaign.domain.lookup import Answer, Finding, Lack, Want
from campaign.domain.phone import NumberKind, mask
from campaign.telephony.calls import CallNotFound
from campaign.telephony.gateway import NO_ENVIRONMENT
from campaign.telephony.refusals import error_of
from campaign.telephony.transport import CONNECT_SECONDS, TOTAL_SECONDS, Transport

LINE_KINDS: Mapping[str, NumberKind] = {
    "landline": NumberKind.FIXED,
    "mobile": NumberKind.MOBILE,
    "fixedVoip": NumberKind.VOIP,
    "nonFixedVoip": NumberKind.VOIP,
    "personal": NumberKind.PERSONAL,
    "tollFree": NumberKind.TOLL_FREE,
    "premium": NumberKind.PREMIUM,
    "sharedCost": NumberKind.SHARED_COST,
    "uan": NumberKind.UAN,
    "voicemail": NumberKind.VOICEMAIL,
    "pager": NumberKind.PAGER,
    "unknown": NumberKind.UNKNOWN,
}
"""Twilio's words for lines (twilio.com/docs/lookup/v2-api/line-type-intelligence). A word that is not here
counts as unknown: mobile and landline at once."""
OWNER_WORDS = {"yes": "yes", "no": "no", "no_data_available": "no_data"}
"""`is_number_reassigned` (twilio.com/docs/lookup/v2-api/reassigned-number)."""

_UNCOVERED = frozenset({60600, 60601, 60607, 60610})
"""Nothing is known of this number, and nothing will be: outside of coverage, Canadian without approval, in a
country that the package doesn't have, with a carrier that it doesn't have."""
_ACCOUNT: Mapping[int, tuple[str, str]] = {
    60606: (
        "Twilio Lookup's package {package} is not enabled for this account.",
        "Ask Twilio for access to it, or take the check out of the campaign's [checks].",
    ),
    60614: (
        "Twilio Lookup's package {package} has to be asked in another of Twilio's regions.",
        "Use credentials of the region that covers these numbers.",
    ),
    60619: (
        "Twilio Lookup's package {package} is not there in this region of Twilio's.",
        "Use credentials of a region that has it.",
    ),
}
"""Codes that every look-up of the package meets until somebody acts."""
_PACKAGES = {Want.LINE_TYPE: "line_type_intelligence", Want.REASSIGNED: "reassigned_number"}


class NumberLookup(Protocol):
    """Somebody who can be asked about numbers, for a price."""

    name: str
    """Who it is, for the record."""

    async def look_up(self, number: str, wants: frozenset[Want], since: date | None) -> Answer:
        """Ask about one number, once.

        Args:
            number: E.164.
            wants: what to ask; REASSIGNED needs `since`, the date of consent.
        Returns:
            for each want a finding or a lack.
        Raises:
            TwilioAway, TwilioBusy, TwilioRefused: nothing was learned about anything.
        """
        ...


class TwilioLookup:
    """Twilio Lookup v2.

    Args:
        account_sid, username, password, base_url, connect_seconds, total_seconds: as of Gateway.
    """

    name = "twilio"

    def __init__(
        self,
        account_sid: str,
        username: str,
        password: str,
        base_url: str | None = None,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._transport = Transport(base_url, connect_seconds=connect_seconds, total_seconds=total_seconds)
        self._client = Client(
            username, password, account_sid, http_client=self._transport, environment=NO_ENVIRONMENT
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def look_up(self, number: str, wants: frozenset[Want], since: date | None) -> Answer:
        """See NumberLookup. Twilio knows reassignment of US numbers only; of others there is no data."""
        if Want.REASSIGNED in wants and since is None:
            raise ValueError("reassignment is asked by the date of consent")
        fields = ",".join(_PACKAGES[want] for want in sorted(wants))
        dated = {"last_verified_date": f"{since:%Y%m%d}"} if since and Want.REASSIGNED in wants else {}
        try:
            found = await self._client.lookups.v2.phone_numbers(number).fetch_async(fields=fields, **dated)
            return _answer(found, wants, since)
        except Exception as fault:  # every fault of library and network becomes one of ours
            error = error_of(fault, f"the look-up of {mask(number)}")
            if isinstance(error, CallNotFound):
                return Answer(tuple(_invalid(want, since) for want in wants))
            raise error from fault


def _answer(found: Any, wants: Iterable[Want], since: date | None) -> Answer:
    """Raises TypeError for what is no answer."""
    if not isinstance(found.valid, bool):
        raise TypeError("an answer without `valid`")
    findings, lacks = [], []
    for want in wants:
        one = _invalid(want, since) if not found.valid else _told(want, found, since)
        if isinstance(one, Lack):
            lacks.append(one)
        else:
            findings.append(one)
    return Answer(tuple(findings), tuple(lacks))


def _invalid(want: Want, since: date | None) -> Finding:
    """No valid number: the packages are not asked, and so cost nothing."""
    match want:
        case Want.LINE_TYPE:
            return Finding(want, INVALID, charged=False)
        case Want.REASSIGNED:
            return Finding(want, "no_data", since, charged=False)
        case _:
            assert_never(want)


def _told(want: Want, found: Any, since: date | None) -> Finding | Lack:
    package = getattr(found, _PACKAGES[want])
    if not isinstance(package, dict):
        raise TypeError(f"an answer without {_PACKAGES[want]}")
    code = package.get("error_code")
    if code is not None:
        return _failed(want, int(code), since)
    match want:
        case Want.LINE_TYPE:
            word = str(package.get("type"))
            detail = {"type": word} | (
                {"carrier": str(name)} if (name := package.get("carrier_name")) else {}
            )
            return Finding(want, LINE_KINDS.get(word, NumberKind.UNKNOWN).value, detail=detail)
        case Want.REASSIGNED:
            word = str(package.get("is_number_reassigned"))
            if word not in OWNER_WORDS:
                raise TypeError(f"an unknown word of reassignment: {word}")
            return Finding(want, OWNER_WORDS[word], since)
        case _:
            assert_never(want)


def _failed(want: Want, code: int, since: date | None) -> Finding | Lack:
    if code in _UNCOVERED:
        unknown = NumberKind.UNKNOWN.value if want is Want.LINE_TYPE else "no_data"
        return Finding(
            want,
            unknown,
            since if want is Want.REASSIGNED else None,
            {"error_code": code},
            charged=False,
        )
    package = _PACKAGES[want]
    if code in _ACCOUNT:
        sentence, do = _ACCOUNT[code]
        return Lack(want, code, f"{sentence.format(package=package)} ({code})", do, everyone=True)
    return Lack(want, code, f"Twilio Lookup's package {package} failed for this number ({code}).")
