"""X-Twilio-Signature, computed by hand (TWILIO 5.1 and 2.2), never by the library under test."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping


def signature(auth_token: str, url: str, params: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> str:
    """The signature of a request.

    Arguments:
        auth_token: the account's primary auth token, also when REST uses API keys.
        url: the full public URL with its query and without its fragment. For a WebSocket: the `url`
            attribute exactly as written in the TwiML.
        params: the form fields of a POST. Repeated keys count once per different value, sorted.
            Empty for a GET and for a WebSocket.

    Returns base64(HMAC-SHA1(auth_token, url + key + value + key + value ...)), keys sorted by code
    point, blank values counted.
    """
    pairs = params.items() if isinstance(params, Mapping) else params
    values: dict[str, set[str]] = {}
    for key, value in pairs:
        values.setdefault(key, set()).add(value)
    text = url + "".join(key + value for key in sorted(values) for value in sorted(values[key]))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
