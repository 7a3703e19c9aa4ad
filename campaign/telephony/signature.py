"""Whether Twilio signed a request: base64(HMAC-SHA1(auth token, URL + sorted fields)).

What the twilio library's validator leaves to us, measured on 9.13.0: no token, no signature and odd URLs
raise instead of refusing; a plain dict drops repeated fields; blank fields count, so a parser that drops
them breaks every signature. And what the scheme itself can't see: fields are joined without a separator
(`From=+1` and `Fro=m+1` sign alike), so a reader must demand the fields it needs; there is no time in it,
so a captured request verifies for ever, and handling each event once is the only defence.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, urlsplit

from twilio.request_validator import RequestValidator

MOST_FIELDS = 300
HEADER = "X-Twilio-Signature"


class _Fields(dict[str, list[str]]):
    """Fields in the shape in which the validator takes repeated ones."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def parse_form(body: bytes) -> list[tuple[str, str]]:
    """The fields of an urlencoded body in their order, blank and repeated ones kept.

    Raises:
        ValueError: not UTF-8, or more than 300 fields.
    """
    return parse_qsl(
        body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
    )


def valid(
    url: str, params: Iterable[tuple[str, str]], signature: str | None, tokens: Sequence[str | None]
) -> bool:
    """Whether one of the auth tokens signed this request.

    Args:
        url: the public address as we wrote it: from PUBLIC_URL, never from the request's own headers.
            A part after # doesn't count. For a socket: the url attribute of the TwiML, wss and all.
        params: all form fields, blank and repeated ones too; empty for a GET and for a socket.
        signature: the X-Twilio-Signature header.
        tokens: the account's auth tokens, the present one and while tokens rotate the previous one. Empty
            ones don't count; without any, everything is refused.
    """
    usable = [token for token in tokens if token]
    if not usable or not signature or not signature.isascii():
        return False
    fields = _Fields()
    for name, value in params:
        fields.setdefault(name, []).append(value)
    address = url.partition("#")[0]
    try:
        parts = urlsplit(address)
        if parts.port is not None and "@" in parts.netloc:
            return False  # the validator would cut the address at the wrong colon
    except ValueError:
        return False
    verdicts = [bool(RequestValidator(token).validate(address, fields, signature)) for token in usable]
    return any(verdicts)
