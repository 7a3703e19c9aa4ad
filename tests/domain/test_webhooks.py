import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain import webhooks
from campaign.domain.errors import BadInput
from campaign.domain.webhooks import forbidden, headers, key_of, retry_after, secret_from, target_of

AT = datetime(2026, 11, 24, 15, tzinfo=UTC)


def test_a_message_is_signed_as_the_specifications_own_example() -> None:
    """The example of the Standard Webhooks specification, whose signature its libraries' tests carry."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    at = datetime.fromtimestamp(1614265330, UTC)
    made = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body, [secret])
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_secrets_rotate_both_sign() -> None:
    old, new = secret_from(b"o" * 32), secret_from(b"n" * 32)
    both = headers("msg_1", AT, b"{}", [new, old])["webhook-signature"].split(" ")
    alone = headers("msg_1", AT, b"{}", [old])["webhook-signature"]
    assert both[1] == alone
    assert both[0] != both[1]


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!", base64.b64encode(b"x" * 32).decode(), "whsec_YQ=="]
)
def test_what_is_no_secret_signs_nothing(secret: str) -> None:
    with pytest.raises(BadInput):
        key_of(secret)


@given(st.floats(0, 1))
def test_a_delivery_is_tried_for_three_days(dice: float) -> None:
    waits = [retry_after(tries, dice) for tries in range(1, webhooks.TRIES)]
    total = sum((wait for wait in waits if wait is not None), timedelta())
    assert timedelta(days=2) < total < timedelta(days=4)
    assert all(wait is not None for wait in waits)
    assert retry_after(webhooks.TRIES, dice) is None
    half = [retry_after(tries, 0.5) for tries in range(1, webhooks.TRIES)]
    assert sum((wait for wait in half if wait is not None), timedelta()) <= webhooks.GIVE_UP


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example.com/hooks",
        "https://crm.example.com",
        "https://crm.example.com:8443/hooks?a=b",
        "https://93.184.215.14/hooks",
        "https://[2606:4700::1]/hooks",
    ],
)
def test_addresses_of_the_public_internet_are_called(url: str) -> None:
    assert target_of(url, loopback=False).scheme == "https"


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example.com/hooks",
        "ftp://crm.example.com/",
        "crm.example.com/hooks",
        "https://",
        "https://user:secret@crm.example.com/",
        "https://crm.example.com/#part",
        "https://crm.example.com:22/",
        "https://crm.example.com:99999/",
        "https://crm.example.com/a b",
        "https://crm.example.com/\r\nX: y",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:169.254.169.254]/",
        "http://127.0.0.1:8000/",
        "https://" + "a" * 2000 + ".example.com/",
    ],
)
def test_other_addresses_are_refused_when_they_are_added(url: str) -> None:
    with pytest.raises(BadInput):
        target_of(url, loopback=False)


def test_this_machine_is_called_only_in_a_simulation() -> None:
    assert target_of("http://127.0.0.1:8000/x", loopback=True).port == 8000
    assert target_of("http://localhost/x", loopback=True).port == 80
    with pytest.raises(BadInput, match="must begin with https"):
        target_of("http://10.0.0.1/x", loopback=True)
    with pytest.raises(BadInput, match="not on the public internet"):
        target_of("https://10.0.0.1/x", loopback=True)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
        "2001:db8::1",
        "no address",
    ],
)
def test_addresses_of_the_own_network_are_never_called(address: str) -> None:
    assert forbidden(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_may_be_called(address: str) -> None:
    assert forbidden(address) == ""


def test_in_a_simulation_this_machine_may_be_called_and_still_no_other_of_the_network() -> None:
    assert forbidden("127.0.0.1", loopback=True) == ""
    assert forbidden("::1", loopback=True) == ""
    assert forbidden("10.0.0.1", loopback=True)
