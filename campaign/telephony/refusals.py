"""Any fault of library, network or Twilio as one of our errors."""

import re
from typing import Any

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.base.version import Version
from twilio.http.response import Response

from campaign.domain.errors import TwilioError
from campaign.telephony import codes
from campaign.telephony.calls import CallNotFound, TwilioAway, TwilioBusy, TwilioRefused
from campaign.telephony.codes import Misconfigured
from campaign.telephony.transport import ThrottledFault, TransportFault

LATER = "It can be asked again later."


def error_of(fault: Exception, what: str) -> TwilioError:
    """One of our errors for any fault of library and network.

    Args:
        what: was asked about, for the sentence.
    """
    if isinstance(fault, ThrottledFault):
        return TwilioBusy(f"{fault} Asked about {what}.", LATER, retry_after=fault.retry_after)
    if isinstance(fault, TransportFault):
        return TwilioAway(f"{fault} Asked about {what}.", LATER)
    if isinstance(fault, TwilioRestException | TwilioServiceException):
        return _refusal(fault, what)
    if isinstance(fault, TwilioException) and len(fault.args) > 1 and isinstance(fault.args[1], Response):
        # A page of a list: the library hands over the bare answer.
        return _refusal(Version.exception("GET", what, fault.args[1], fault.args[0]), what)
    kind = "The library failed" if isinstance(fault, TwilioException) else "The answer is unreadable"
    return TwilioAway(masked(f"{kind} for {what}: {fault!r}."), LATER)


def _refusal(fault: Any, what: str) -> TwilioError:
    code = fault.code if isinstance(fault.code, int) else fault.status
    said = masked(str(getattr(fault, "msg", None) or getattr(fault, "title", "")))
    if fault.status >= 500:
        return TwilioAway(f"Twilio answered {fault.status} for {what}.", LATER, code=code)
    if fault.status == 404:
        return CallNotFound(f"Twilio doesn't know {what} ({code}).", code=code)
    verdict = codes.VERDICTS.get(code)
    do = verdict.do if isinstance(verdict, Misconfigured) else ""
    return TwilioRefused(f"Twilio refused {what}: {said} ({code}).", do, code=code)


def masked(sentence: str) -> str:
    """Phone numbers shortened to their last two digits: sentences end up in logs."""
    return re.sub(r"\+\d{5,13}(\d\d)", r"+…\1", sentence)
