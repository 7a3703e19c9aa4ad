from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from campaign.simulator.signing import signature


def test_the_published_vectors_hold() -> None:
    params = {
        "CallSid": "CA1234567890ABCDE",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
        "Caller": "+14158675309",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, params) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert signature("12345", "wss://phone.example.net/relay/abc") == "ayvAYBaEehzeXNRyuzz01dNW3D4="
    assert signature("12345", "wss://phone.example.net/relay/abc/") == "Qb91457EFq8vIunY4uga2EOLP+0="


@given(
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), max_size=6),
    st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=10),
)
def test_the_official_validator_agrees(params: dict[str, str], path: str) -> None:
    url = f"https://calls.example/{path}"
    assert RequestValidator("token").validate(url, params, signature("token", url, params))


def test_repeated_keys_count_once_per_value_and_blank_values_count() -> None:
    url = "https://calls.example/x"
    pairs = [("b", "2"), ("a", ""), ("b", "1"), ("b", "2")]
    assert signature("t", url, pairs) == signature("t", url + "ab1b2")
