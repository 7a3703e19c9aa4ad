"""Lookup v2: what Twilio knows of a number, the same each time for the same number and seed.

Sources: request, response and packages as in Twilio's API description and on its pages (fields.py names them
one by one); error codes twilio.com/docs/api/errors/606…
"""

import re
from collections.abc import Mapping
from typing import Any

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from campaign.simulator.config import chance
from campaign.simulator.rest import Refusal, not_found
from campaign.simulator.world import World

PACKAGES = ("line_type_intelligence", "reassigned_number")
"""The packages that this account has; the others of Twilio's are refused with 60606 in their place."""
OTHER_PACKAGES = (
    "caller_name",
    "sim_swap",
    "call_forwarding",
    "line_status",
    "identity_match",
    "sms_pumping_risk",
    "phone_number_quality_score",
    "pre_fill",
)
LINES = (
    "landline",
    "mobile",
    "fixedVoip",
    "nonFixedVoip",
    "personal",
    "tollFree",
    "premium",
    "sharedCost",
    "uan",
    "voicemail",
    "pager",
    "unknown",
)
OWNERS = ("yes", "no", "no_data_available")
_MIX = (("mobile", 0.62), ("landline", 0.26), ("fixedVoip", 0.05), ("nonFixedVoip", 0.05), ("unknown", 0.02))
_OWNER_MIX = (("yes", 0.03), ("no_data_available", 0.05), ("no", 0.92))
_PLANNED = {
    PhoneNumberType.TOLL_FREE: "tollFree",
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "sharedCost",
    PhoneNumberType.PERSONAL_NUMBER: "personal",
    PhoneNumberType.UAN: "uan",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.VOICEMAIL: "voicemail",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE: "landline",
    PhoneNumberType.VOIP: "nonFixedVoip",
}
_CARRIERS = {
    "mobile": "Example Wireless",
    "landline": "Example Telephone",
    "fixedVoip": "Example Cable",
    "nonFixedVoip": "Example Voice",
}
"""Carrier data comes for these lines only."""
_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")


def look_up(world: World, text: str, query: Mapping[str, str]) -> dict[str, Any]:
    """The answer to GET /v2/PhoneNumbers/{text}.

    Raises:
        Refusal: 20404 for what is no telephone number, 20001 for an unknown package or a wrong date.
    """
    fields = [name for name in query.get("Fields", "").split(",") if name and name != "validation"]
    for name in fields:
        if name not in (*PACKAGES, *OTHER_PACKAGES):
            raise Refusal(20001, f"Invalid parameter: Fields {name}")
    since = query.get("LastVerifiedDate", "")
    if "reassigned_number" in fields and _DATE.fullmatch(since) is None:
        raise Refusal(20001, f"Invalid parameter: LastVerifiedDate '{since}' must be YYYYMMDD")
    try:
        number = phonenumbers.parse(text, query.get("CountryCode", "US"))
    except phonenumbers.NumberParseException as fault:
        raise not_found(f"/v2/PhoneNumbers/{text}") from fault
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    valid = phonenumbers.is_valid_number(number)
    answer: dict[str, Any] = {
        "calling_country_code": str(number.country_code),
        "country_code": phonenumbers.region_code_for_number(number) if valid else None,
        "phone_number": e164,
        "national_format": phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL),
        "valid": valid,
        "validation_errors": [] if valid else ["INVALID_BUT_POSSIBLE"],
        **dict.fromkeys((*OTHER_PACKAGES, *PACKAGES)),
        "url": f"{world.base_url}/v2/PhoneNumbers/{e164}",
    }
    if valid:
        for name in fields:
            answer[name] = _package(world, name, number, e164, since)
    return answer


def _package(
    world: World, name: str, number: phonenumbers.PhoneNumber, e164: str, since: str
) -> dict[str, Any]:
    faults, seed = world.faults, world.config.seed
    code: int | None = None
    if name not in PACKAGES or chance(seed, "not enabled", name, e164) < faults.lookup_not_enabled:
        code = 60606
    elif chance(seed, "provider", name, e164) < faults.lookup_provider:
        code = 60608
    country = phonenumbers.region_code_for_number(number)
    match name:
        case "line_type_intelligence":
            if code is None and country == "CA":
                code = 60601
            return _line(world, number, e164, code)
        case "reassigned_number":
            if code is None and country != "US":
                code = 60607
            told = world.config.owners.get(e164) or _drawn(world, "owner", e164, _OWNER_MIX)
            return {
                "last_verified_date": f"{since[:4]}-{since[4:6]}-{since[6:]}",
                "is_number_reassigned": told if code is None else None,
                "error_code": code,
            }
        case _:
            return {"error_code": code}


def _line(world: World, number: phonenumbers.PhoneNumber, e164: str, code: int | None) -> dict[str, Any]:
    planned = _PLANNED.get(phonenumbers.number_type(number))
    word = world.config.lines.get(e164) or planned or _drawn(world, "line", e164, _MIX)
    told = word if code is None else None
    return {
        "mobile_country_code": "310" if told in _CARRIERS and number.country_code == 1 else None,
        "mobile_network_code": "999" if told == "mobile" and number.country_code == 1 else None,
        "carrier_name": _CARRIERS.get(told or ""),
        "type": told,
        "error_code": code,
    }


def _drawn(world: World, what: str, e164: str, mix: tuple[tuple[str, float], ...]) -> str:
    mark = chance(world.config.seed, what, e164)
    for word, share in mix:
        mark -= share
        if mark < 0:
            return word
    return mix[-1][0]
