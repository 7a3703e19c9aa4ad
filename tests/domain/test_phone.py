"""Text → number or reason; equal to the library's verdict wherever the text is a plain number."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain.phone import NumberKind, PhoneNumber, Rejected, is_region, mask, parse


@pytest.mark.parametrize(
    "text",
    [
        "(212) 555-0142",
        "212.555.0142",
        "+1 212 555 0142",
        "1-212-555-0142",
        "001 212 555 0142",
        "tel:+1-212-555-0142",
        "Tel. 212-555-0142",
        "'+12125550142",
        "212-555-0142 ext. 77",
        "212-555-0142x77",
        "+1 212 555 0142;ext=7",
        "٢١٢٥٥٥٠١٤٢",
        "２１２－５５５－０１４２",
        "\u202a+1 212\u00a0555 0142\u202c",
        "\ufeff2125550142",
        " 2125550142\n",
    ],
)
def test_one_number_in_many_spellings_is_one_number(text: str) -> None:
    assert parse(text, "US") == PhoneNumber("+12125550142", "US", NumberKind.FIXED_OR_MOBILE)


@pytest.mark.parametrize(
    ("text", "region", "code"),
    [
        ("", "US", "empty"),
        ("\u200e ", "US", "empty"),
        ("1.21255E+10", "US", "excel_exponent"),
        ("1,21255E+10", "DE", "excel_exponent"),
        ("+4.42079E+11", "GB", "excel_exponent"),
        ("912345678.0", "IN", "excel_decimal"),
        ("3012345.0", "DE", "excel_decimal"),
        ("+49301234567.0", "US", "excel_decimal"),
        ("2125550142.00", "US", "excel_decimal"),
        ("1212555014.0", "US", "excel_decimal"),
        ("912345678,0", "IN", "excel_decimal"),
        ("########", "US", "excel_error"),
        ("#REF!", "US", "excel_error"),
        ("#N/A", "US", "excel_error"),
        ("555-0142", "US", "too_short"),
        ("1", "US", "too_short"),
        ("+1 212 555 0142 0", "US", "too_long"),
        ("212-555-0142 / 646-555-0143", "US", "several"),
        ("212-555-0142 or 43", "US", "several"),
        ("030 1234567/89", "DE", "several"),
        ("1-800-FLOWERS", "US", "letters"),
        ("+abc", "US", "letters"),
        ("call me", "US", "letters"),
        ("---", "US", "not_a_number"),
        ("+999 123 4567", "US", "no_country"),
        ("030 1234567", None, "no_region"),
        ("030 1234567", "XX", "no_region"),
        ("100-555-0142", "US", "not_in_use"),
        ("212-155-0142", "US", "not_in_use"),
        ("2125550142\0", "US", "control"),
        ("9" * 5_000_000, "US", "too_long_text"),
    ],
)
def test_what_is_no_number_is_rejected_by_name(text: str, region: str | None, code: str) -> None:
    verdict = parse(text, region)
    assert isinstance(verdict, Rejected)
    assert verdict.code == code
    assert verdict.why


@pytest.mark.parametrize(
    ("text", "region", "kind"),
    [
        ("800-555-0199", "US", NumberKind.TOLL_FREE),
        ("900-555-0199", "US", NumberKind.PREMIUM),
        ("+44 7400 123456", "GB", NumberKind.MOBILE),
        ("+44 20 7946 0958", "GB", NumberKind.FIXED),
        ("+881 6 1234 5678", "001", NumberKind.SATELLITE),
        ("+1 876 555 0142", "JM", NumberKind.MOBILE),
        ("0044 20 7946 0958", "GB", NumberKind.FIXED),
    ],
)
def test_region_and_kind_come_with_the_number(text: str, region: str, kind: NumberKind) -> None:
    number = parse(text, "US")
    assert isinstance(number, PhoneNumber)
    assert (number.region, number.kind) == (region, kind)


def _library(text: str, region: str) -> tuple[str, str] | None:
    """E.164 and region by the library alone; None when it finds no valid number."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return plain, phonenumbers.region_code_for_number(number) or "001"


def _ours(text: str, region: str) -> tuple[str, str] | None:
    number = parse(text, region)
    return None if isinstance(number, Rejected) else (number.e164, number.region)


_PUNCTUATED = st.text(alphabet="0123456789 -()+.", min_size=5, max_size=24)
_TEN_DIGITS = st.integers(2_000_000_000, 9_999_999_999).map(str)
_PREFIX = st.sampled_from(["", "1", "+1", "+1 ", "1-", "(", "+ 1", "-"])


@given(st.one_of(_TEN_DIGITS, st.tuples(_PREFIX, _TEN_DIGITS).map("".join)), st.sampled_from(["US", "CA"]))
@settings(max_examples=600, deadline=None)
def test_the_prefix_cache_gives_the_librarys_verdict(text: str, region: str) -> None:
    assert _ours(text, region) == _library(text, region)


_USUAL_WAYS = (
    "({}) {}-{}", "({}){}-{}", "{}-{}-{}", "{} {} {}", "{}.{}.{}", "{}{}{}", "1{}{}{}", "1-{}-{}-{}",
    "+1{}{}{}", "+1 ({}) {}-{}", "+1-{}-{}-{}", " {} {} {}", "({} {}-{}", "{}{}-{}", "1 {}) {} {}",
)  # fmt: skip


@given(
    st.sampled_from(_USUAL_WAYS),
    st.integers(100, 999),
    st.integers(0, 999),
    st.integers(0, 9999),
    st.sampled_from(["US", "CA", "GB", "DE"]),
)
@settings(max_examples=600, deadline=None)
def test_the_usual_ways_of_writing_get_the_librarys_verdict(
    way: str, area: int, office: int, line: int, region: str
) -> None:
    text = way.format(area, f"{office:03}", f"{line:04}")
    assert _ours(text, region) == _library(text, region)


@given(_PUNCTUATED, st.sampled_from(["US", "GB", "DE", "IN", "JM"]))
@settings(max_examples=600, deadline=None)
def test_digits_with_punctuation_get_the_librarys_verdict(text: str, region: str) -> None:
    ours = parse(text, region)
    if isinstance(ours, Rejected) and ours.code == "excel_decimal":
        return  # we refuse on purpose what the library would take for somebody else's number
    if text.lstrip().startswith("00"):
        return  # "00" abroad is understood from everywhere
    assert _ours(text, region) == _library(text, region)


@given(st.integers(200, 999), st.integers(200, 999), st.lists(st.integers(0, 9999), min_size=2, max_size=6))
@settings(max_examples=300, deadline=None)
def test_no_north_american_verdict_depends_on_the_last_four_digits(
    area: int, exchange: int, lines: list[int]
) -> None:
    verdicts = set()
    for line in lines:
        number = phonenumbers.PhoneNumber(country_code=1, national_number=int(f"{area}{exchange}{line:04}"))
        valid = phonenumbers.is_valid_number(number)
        verdicts.add((valid, phonenumbers.number_type(number), phonenumbers.region_code_for_number(number)))
    assert len(verdicts) == 1


@given(st.text(max_size=80), st.one_of(st.none(), st.sampled_from(["US", "DE", "XX", ""])))
@settings(max_examples=600, deadline=None)
def test_no_text_makes_the_parser_fail(text: str, region: str | None) -> None:
    verdict = parse(text, region)
    assert isinstance(verdict, Rejected) or verdict.e164.startswith("+")


def test_a_number_read_again_is_the_same_number() -> None:
    for text in ("(212) 555-0142", "+44 20 7946 0958", "+881612345678"):
        number = parse(text, "US")
        assert isinstance(number, PhoneNumber)
        assert parse(number.e164, None) == number


@given(st.from_regex(r"\+[1-9][0-9]{5,14}", fullmatch=True))
def test_a_masked_number_never_shows_the_whole(e164: str) -> None:
    masked = mask(e164)
    shown = sum(map(str.isdigit, masked))
    assert len(e164) - 1 - shown >= 3
    assert "•••" in masked


def test_masking_keeps_the_area_and_the_last_four() -> None:
    assert mask("+12125550142") == "+1212•••0142"
    assert mask("no number at all") == "•••ll"


def test_regions_are_iso_countries() -> None:
    assert is_region("US")
    assert not is_region("us")
    assert not is_region("EU")
