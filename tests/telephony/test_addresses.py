from urllib.parse import urlsplit

import pytest

from campaign.telephony.addresses import Addresses


@pytest.mark.parametrize("public", ["https://calls.example.net", "https://calls.example.net/"])
def test_addresses_stand_below_the_public_url_whatever_its_slash(public):
    addresses = Addresses(public)
    assert addresses.voice("m1").startswith("https://calls.example.net/twilio/voice/m1#")
    assert addresses.status("m1").startswith("https://calls.example.net/twilio/status/m1#")
    assert addresses.amd("m1").startswith("https://calls.example.net/twilio/amd/m1#")
    assert addresses.action("m1", 2).startswith("https://calls.example.net/twilio/action/m1/2#")
    assert addresses.recording("m1").startswith("https://calls.example.net/twilio/recording/m1#")
    assert addresses.dial("m1", 2).startswith("https://calls.example.net/twilio/dial/m1/2#")


def test_the_socket_is_wss_and_has_neither_query_nor_fragment():
    assert Addresses("https://h.example/calls").relay("t0ken") == "wss://h.example/calls/twilio/relay/t0ken"
    assert Addresses("http://127.0.0.1:8080").relay("t") == "ws://127.0.0.1:8080/twilio/relay/t"


def test_no_address_has_a_query():
    addresses = Addresses("https://h.example")
    for url in (addresses.voice("m"), addresses.action("m", 1), addresses.status("m")):
        assert urlsplit(url).query == ""
