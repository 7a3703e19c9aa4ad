"""Signatures: published vectors, mutations, and the pitfalls of the library's validator."""

import base64
import hashlib
import hmac
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.telephony.signature import MOST_FIELDS, parse_form, valid

TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
PARAMS = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
]
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="

fields = st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8)), max_size=6)


def sign(url: str, params: list[tuple[str, str]], token: str = TOKEN) -> str:
    """Twilio's algorithm written a second time, for what the library is to agree with."""
    values: dict[str, set[str]] = {}
    for name, value in params:
        values.setdefault(name, set()).add(value)
    text = url + "".join(name + value for name in sorted(values) for value in sorted(values[name]))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def test_twilios_own_example_verifies():
    assert valid(URL, PARAMS, SIGNATURE, [TOKEN])


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        ("wss://phone.example.net/relay/abc", "ayvAYBaEehzeXNRyuzz01dNW3D4="),
        ("wss://phone.example.net/relay/abc/", "Qb91457EFq8vIunY4uga2EOLP+0="),
    ],
)
def test_a_sockets_address_verifies_as_it_is_written(url, signature):
    assert valid(url, [], signature, [TOKEN])
    assert not valid(url + "x", [], signature, [TOKEN])
    assert not valid(url.replace("wss", "https"), [], signature, [TOKEN])


@pytest.mark.parametrize(
    ("url", "params", "signature", "tokens"),
    [
        (URL.replace("https", "http"), PARAMS, SIGNATURE, [TOKEN]),
        (URL.replace("mycompany", "yourcompany"), PARAMS, SIGNATURE, [TOKEN]),
        (URL + "&x=1", PARAMS, SIGNATURE, [TOKEN]),
        (URL.replace("app", "ap"), PARAMS, SIGNATURE, [TOKEN]),
        (URL, PARAMS[:-1], SIGNATURE, [TOKEN]),
        (URL, [*PARAMS, ("Extra", "")], SIGNATURE, [TOKEN]),
        (URL, [*PARAMS, ("Digits", "999")], SIGNATURE, [TOKEN]),
        (URL, [("CallSid", "CA2"), *PARAMS[1:]], SIGNATURE, [TOKEN]),
        (URL, PARAMS, SIGNATURE[:-2] + "9=", [TOKEN]),
        (URL, PARAMS, SIGNATURE.lower(), [TOKEN]),
        (URL, PARAMS, "", [TOKEN]),
        (URL, PARAMS, None, [TOKEN]),
        (URL, PARAMS, "é" * 28, [TOKEN]),
        (URL, PARAMS, SIGNATURE, ["54321"]),
        (URL, PARAMS, SIGNATURE, []),
        (URL, PARAMS, SIGNATURE, [None, ""]),
        ("https://host:notaport/x", PARAMS, SIGNATURE, [TOKEN]),
        ("https://[::1/x", PARAMS, SIGNATURE, [TOKEN]),
    ],
)
def test_whatever_is_changed_or_missing_is_refused(url, params, signature, tokens):
    assert not valid(url, params, signature, tokens)


def test_no_secret_refuses_even_what_an_empty_secret_has_signed():
    assert not valid(URL, PARAMS, sign(URL, PARAMS, ""), [""])


def test_while_tokens_rotate_either_of_them_signs():
    assert valid(URL, PARAMS, SIGNATURE, ["new", TOKEN])
    assert valid(URL, PARAMS, sign(URL, PARAMS, "new"), ["new", TOKEN])
    assert valid(URL, PARAMS, SIGNATURE, [TOKEN, None])


def test_the_part_after_the_hash_is_not_signed():
    assert valid(URL + "#rc=3&rp=5xx", PARAMS, SIGNATURE, [TOKEN])


@pytest.mark.parametrize(
    "url", ["https://h.example:8443/x", "http://127.0.0.1:8080/x", "https://[::1]:8443/x"]
)
def test_an_address_with_a_port_verifies(url):
    assert valid(url, PARAMS, sign(url, PARAMS), [TOKEN])


def test_an_address_with_a_users_name_and_a_port_is_refused():
    url = "https://user:pass@h.example:8443/x"
    assert not valid(url, PARAMS, sign(url, PARAMS), [TOKEN])


def test_blank_and_repeated_fields_count():
    form = [("FromCity", ""), ("Tag", "b"), ("Tag", "a"), ("FromZip", "")]
    assert valid(URL, form, sign(URL, form), [TOKEN])
    assert not valid(URL, [("Tag", "b"), ("Tag", "a"), ("FromZip", "")], sign(URL, form), [TOKEN])
    assert not valid(URL, [("FromCity", ""), ("Tag", "a"), ("FromZip", "")], sign(URL, form), [TOKEN])


@given(fields)
def test_every_form_survives_its_encoding_and_verifies(form):
    parsed = parse_form(urlencode(form).encode())
    assert parsed == form
    assert valid(URL, parsed, sign(URL, form), [TOKEN])


@given(fields, st.integers(0, 5), st.text(min_size=1, max_size=3))
def test_a_longer_value_never_verifies(form, at, more):
    if not form:
        return
    at %= len(form)
    name, value = form[at]
    changed = [*form[:at], (name, value + more), *form[at + 1 :]]
    if sign(URL, changed) != sign(URL, form):
        assert not valid(URL, changed, sign(URL, form), [TOKEN])


@pytest.mark.parametrize(
    "body", [b"a=%ff", b"a=\xff", "ä=1".encode(), b"&".join([b"a=1"] * (MOST_FIELDS + 1))]
)
def test_a_body_that_is_no_form_is_a_value_error(body):
    with pytest.raises(ValueError):
        parse_form(body)
