"""Files as people really export them, poisoned ones too: bytes → contacts and errors by line."""

import contextlib
import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain.cells import quoted, unquoted, when
from campaign.domain.contact_sheet import ContactRow, RowParser, map_columns, variable_name
from campaign.domain.csv_reader import MAX_RECORD_LINES, EncodingScan, Row, RowError, RowReader, sniff
from campaign.domain.dnc_sheet import DncParser, DncRow
from campaign.domain.errors import BadFile, BadInput

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def rows_of(data: bytes, pieces: int = 1 << 20) -> list[Row | RowError]:
    dialect = sniff(data)
    reader = RowReader(dialect)
    found: list[Row | RowError] = []
    body = data[dialect.skip :]
    for start in range(0, len(body), pieces):
        found += reader.feed(body[start : start + pieces])
    found += reader.finish()
    assert reader.offset == len(data)
    return found


def contacts_of(
    data: bytes, mapping: dict[str, str] | None = None, pieces: int = 1 << 20
) -> list[ContactRow | RowError]:
    rows = rows_of(data, pieces)
    assert not isinstance(rows[0], RowError)
    parser = RowParser(map_columns(rows[0][1], mapping), region="US", now=NOW)
    return [row if isinstance(row, RowError) else parser(*row) for row in rows[1:]]


def phones_of(found: list[ContactRow | RowError]) -> list[str]:
    return [row.phones[0].e164 for row in found if isinstance(row, ContactRow)]


def errors_of(found: list[ContactRow | RowError]) -> list[tuple[int, str]]:
    return [(row.line, row.code) for row in found if isinstance(row, RowError)]


PLAIN = "First Name,Phone,Note\nZoë,212-555-0142,café\nBob,305-555-0101,tea\n"
BOTH = ["+12125550142", "+13055550101"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_usual_encoding_delimiter_and_line_end_is_read(
    encoding: str, delimiter: str, newline: str
) -> None:
    data = PLAIN.replace(",", delimiter).replace("\n", newline).encode(encoding)
    found = contacts_of(data)
    assert phones_of(found) == BOTH
    assert isinstance(found[0], ContactRow)
    assert found[0].variables == {"first_name": "Zoë", "note": "café"}
    assert [row.line for row in found] == [2, 3]


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 64])
def test_the_size_of_the_pieces_changes_nothing(pieces: int) -> None:
    data = 'phone,note\n212-555-0142,"é\n""two"" lines"\n305-555-0101,"open\n212-555-0143,x\n'.encode()
    assert contacts_of(data, pieces=pieces) == contacts_of(data)


def test_a_late_byte_of_windows_1252_is_found_by_scanning_the_whole_file() -> None:
    data = b"phone,name\n" + b"212-555-0142,Bob\n" * 20_000 + "212-555-0143,Zoë\n".encode("cp1252")
    scan = EncodingScan()
    for start in range(0, len(data), 65_536):
        scan.feed(data[start : start + 65_536])
    assert sniff(data[:65_536]).encoding == "utf-8"
    assert sniff(data[:65_536], utf8=scan.is_utf8).encoding == "cp1252"


def test_excels_own_separator_line_is_obeyed() -> None:
    found = contacts_of(b"sep=;\r\nphone;note\r\n212-555-0142;a,b\r\n")
    assert phones_of(found) == ["+12125550142"]
    assert found[0].line == 3


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\r\n \r\n", "empty"),
        (b"PK\x03\x04" + b"\0" * 100, "xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 100, "xls"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x1f\x8b\x08\0\0\0", "gzip"),
        (bytes(range(256)) * 20, "binary"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0", "binary"),
    ],
)
def test_what_is_no_csv_is_refused_with_what_it_is(data: bytes, why: str) -> None:
    with pytest.raises(BadFile, match=why):
        sniff(data)


HEADER = "phone,first_name,note\n"
GOOD = "212-555-0142,Ana,x\n"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ("305-555-0101,Bob\n", [(2, "too_few_cells")]),
        ("305-555-0101,Bob,x,y\n", [(2, "too_many_cells")]),
        ("305-555-0101,Bob,x,,\n", []),
        ("\n,,\n", []),
        ("305-555-0101,Bob,a\0b\n", [(2, "nul")]),
        ('305-555-0101,Bob,"no end\n', [(2, "quote")]),
        ('305-555-0101,"Bob" Smith,x\n', [(2, "quote")]),
        ('305-555-0101,"Bob, ""the man""","two\nlines"\n', []),
        (f"305-555-0101,Bob,{'x' * 5_000}\n", [(2, "cell_too_long")]),
        (f"305-555-0101,Bob,{'x' * 200_000}\n", [(2, "cell_too_long")]),
        (f"305-555-0101,Bob,{'x' * 5_000_000}\n", [(2, "line_too_long")]),
        (f'305-555-0101,Bob,"{"x" * 5_000_000}"\n', [(2, "line_too_long")]),
        ("305-555-0101,Bo\rb,x\n", [(2, "line_break")]),
        (",Bob,x\n", [(2, "empty")]),
        ("1.21255E+10,Bob,x\n", [(2, "excel_exponent")]),
    ],
)
def test_one_bad_row_never_costs_the_next(body: str, errors: list[tuple[int, str]]) -> None:
    found = contacts_of((HEADER + body + GOOD).encode())
    assert errors_of(found) == errors
    assert "+12125550142" in phones_of(found)


def test_a_line_beyond_all_bounds_is_skipped_and_named() -> None:
    data = (HEADER + "305-555-0101,Bob," + "x" * 5_000_000 + "\n" + GOOD).encode()
    found = contacts_of(data, pieces=65_536)
    assert errors_of(found) == [(2, "line_too_long")]
    assert phones_of(found) == ["+12125550142"]
    assert found[-1].line == 3


def test_an_unclosed_quote_swallows_no_rows() -> None:
    numbers = [f"212-555-{n:04}" for n in range(1_000)]
    body = "".join(f"{n},Ana,x\n" for n in numbers)
    found = contacts_of((HEADER + '305-555-0101,Bob,"never closed\n' + body).encode())
    assert errors_of(found) == [(2, "quote")]
    assert len(phones_of(found)) == 1_000


def test_an_unclosed_quote_that_a_later_cell_closes_swallows_no_rows() -> None:
    body = "".join(f"212-555-{n:04},Ana,x\n" for n in range(20))
    data = HEADER + '305-555-0101,Bob,"open\n' + body + '305-555-0102,Eve,", said she"\n' + GOOD
    found = contacts_of(data.encode())
    assert (2, "quote") in errors_of(found)
    assert len(phones_of(found)) >= 21


def test_a_cell_may_span_lines_up_to_a_bound() -> None:
    def sheet(lines: int) -> bytes:
        return (HEADER + '305-555-0101,Bob,"' + "line\n" * lines + 'end"\n' + GOOD).encode()

    assert errors_of(contacts_of(sheet(MAX_RECORD_LINES - 1))) == []
    assert (2, "quote") in errors_of(contacts_of(sheet(MAX_RECORD_LINES + 1)))


def test_bytes_that_are_no_text_spoil_only_their_row() -> None:
    data = "phone,name\n212-555-0142,Zoë\n".encode() + b"305-555-0101,\xff\xfe\n305-555-0102,Ana\n"
    dialect = sniff(data, utf8=True)
    reader = RowReader(dialect)
    found = reader.feed(data) + reader.finish()
    assert [row.code for row in found if isinstance(row, RowError)] == ["encoding"]
    assert len(found) == 4


_CELL = st.text(
    alphabet=st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"),
    min_size=1,
    max_size=12,
)


@given(
    st.lists(st.lists(_CELL, min_size=3, max_size=3), min_size=1, max_size=12),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-16-le", "utf-8-sig"]),
    st.integers(1, 50),
)
@settings(deadline=None)
def test_what_a_csv_writer_wrote_is_read_back(
    table: list[list[str]], delimiter: str, encoding: str, pieces: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["phone", "a", "b"])
    writer.writerows(table)
    found = rows_of(out.getvalue().encode(encoding), pieces)
    assert [row[1] for row in found[1:] if not isinstance(row, RowError)] == table


@given(st.binary(max_size=400), st.integers(1, 60))
@settings(deadline=None, max_examples=400)
def test_no_bytes_make_the_reader_fail(junk: bytes, pieces: int) -> None:
    with contextlib.suppress(BadFile):
        rows_of(b"phone,name\n" + junk, pieces)


@given(
    st.lists(
        st.sampled_from(["212-555-0142,a\n", '"x\n', 'b","c\n', "é,\n", '"q""q",z\n', "\n"]), max_size=40
    )
)
@settings(deadline=None)
def test_reading_resumes_at_the_offset_and_gives_the_same_rows(lines: list[str]) -> None:
    data = ("phone,name\n" + "".join(lines)).encode()
    dialect = sniff(data)
    whole = RowReader(dialect)
    expected = whole.feed(data) + whole.finish()
    for cut in range(0, len(data), 9):
        first = RowReader(dialect)
        found = first.feed(data[:cut])
        second = RowReader(dialect, offset=first.offset, line=first.line, width=first.width)
        found += second.feed(data[first.offset :]) + second.finish()
        assert found == expected


@pytest.mark.parametrize(
    ("header", "field", "index"),
    [
        (["Phone Number"], "phone", 0),
        (["\ufeffPHONE"], "phone", 0),
        (["name", "Mobile No."], "phone", 1),
        (["Téléphone"], "phone", 0),
        (["Handynummer", "PLZ"], "postal_code", 1),
        (["tel", "ZIP Code"], "postal_code", 1),
        (["tel", "Time-Zone"], "zone", 1),
        (["cell_phone", "Province"], "state", 1),
        (["phone", "Customer ID"], "external_id", 1),
        (["phone", "phone 3"], "phone_3", 1),
        (["phone", "Mobile"], "phone_2", 1),
        (["phone_2", "mobile", "phone"], "phone_3", 1),
        (["phone", "Consent Date"], "consent_at", 1),
    ],
)
def test_headers_are_known_in_many_forms(header: list[str], field: str, index: int) -> None:
    assert map_columns(header).fields[field] == index


def test_columns_that_are_not_ours_become_variables() -> None:
    columns = map_columns(["Phone", "Vorname", "Policy No.", "Société", "2nd visit", ""])
    assert columns.names == ("first_name", "policy_no", "societe", "n_2nd_visit", "column_6")


def test_a_column_can_be_named_by_the_caller() -> None:
    columns = map_columns(["Kunde", "Erreichbar unter", "Phone"], {"phone": "erreichbar unter"})
    assert columns.fields == {"phone": 1, "phone_2": 2}


@pytest.mark.parametrize(
    ("header", "mapping", "error", "says"),
    [
        (["phone", "phone"], None, BadFile, '"phone"'),
        (["Phone", "PHONE "], None, BadFile, "same name"),
        (["phone", "Last-Name", "Nachname"], None, BadFile, "last_name"),
        (["name", "city"], None, BadFile, '"name", "city"'),
        (["name", "city"], {"phone": "Mobile"}, BadInput, 'no column "Mobile".*"name", "city"'),
        (["name", "tel"], {"fone": "tel"}, BadInput, "no field of ours.*phone_2"),
    ],
)
def test_a_header_that_cannot_be_used_is_explained(
    header: list[str], mapping: dict[str, str] | None, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=f"(?s){says}"):
        map_columns(header, mapping)


def one(header: str, row: str) -> ContactRow | RowError:
    return contacts_of(f"{header}\n{row}\n".encode())[0]


def test_a_row_becomes_a_contact_with_everything_that_the_list_says() -> None:
    found = one(
        "phone,phone_2,zip,state,timezone,party,consent,consent_at,consent_source,id,first_name",
        "850-555-0142,(850) 555 0142,32501,FL,Central,B2C,Express Written,2026-03-31,web form,C-7,Ana",
    )
    assert isinstance(found, ContactRow)
    assert [phone.e164 for phone in found.phones] == ["+18505550142"]
    assert found.where.place.key == "US|US-FL|America/Chicago,America/New_York"
    assert (found.where.said_zone, found.where.state, found.where.postal_code) == ("Central", "FL", "32501")
    assert (found.consent.party, found.consent.level, found.consent.source) == (
        "consumer",
        "express_written",
        "web form",
    )
    assert found.consent.at == datetime(2026, 3, 31, tzinfo=UTC)
    assert found.external_id == "C-7"
    assert found.variables == {"first_name": "Ana"}


def test_rows_that_say_the_same_of_place_and_consent_share_it_and_others_do_not() -> None:
    header = "phone,phone_2,zip,state,consent,consent_at,country\n"
    same = "212-555-{:04},,10001,NY,oral,3/4/2026,\n"
    others = (
        "646-555-0100,,10001,NY,oral,3/4/2026,\n"  # another area code
        "212-555-0100,415-555-0101,10001,NY,oral,3/4/2026,\n"  # a second number
        "212-555-0100,,10001,NY,oral,3/4/2026,Canada\n"  # where the fourth is the day as well, but not US
        "212-555-0100,,10001,NJ,written,,\n"
    )
    found = contacts_of((header + same.format(1) + same.format(2) + others).encode())
    first, second, *rest = [row for row in found if isinstance(row, ContactRow)]
    assert first.where is second.where
    assert first.consent is second.consent
    assert [row.where is first.where for row in rest] == [False] * 4
    assert rest[1].where.place.zones == ("America/Los_Angeles", "America/New_York")
    assert [row.consent.at for row in rest[1:3]] == [
        datetime(2026, 3, 4, tzinfo=UTC),
        datetime(2026, 4, 3, tzinfo=UTC),
    ]
    assert (rest[3].where.state, rest[3].consent.level, rest[3].consent.at) == ("NJ", "express_written", None)


def test_a_second_number_is_used_when_the_first_is_empty() -> None:
    found = one("phone,phone_2", ",305-555-0101")
    assert isinstance(found, ContactRow)
    assert [phone.e164 for phone in found.phones] == ["+13055550101"]


def test_the_place_covers_all_of_a_contacts_numbers() -> None:
    found = one("phone,phone_2", "212-555-0142,415-555-0101")
    assert isinstance(found, ContactRow)
    assert found.where.place.zones == ("America/Los_Angeles", "America/New_York")


def test_the_country_column_says_how_numbers_are_read() -> None:
    found = one("phone,country", "030 1234567,Germany")
    assert isinstance(found, ContactRow)
    assert found.phones[0].e164 == "+49301234567"


@pytest.mark.parametrize(
    ("header", "row", "column", "code"),
    [
        ("phone,Time Zone", "212-555-0142,Mars", "Time Zone", "zone"),
        ("phone,consent", "212-555-0142,yes", "consent", "consent"),
        ("phone,consent_at", "212-555-0142,soon", "consent_at", "consent_at"),
        ("phone,consent_at", "212-555-0142,2027-01-01", "consent_at", "consent_at"),
        ("phone,party", "212-555-0142,alien", "party", "party"),
        ("phone,country", "212-555-0142,Narnia", "country", "country"),
        ("phone,Mobile", "212-555-0142,12", "Mobile", "too_short"),
    ],
)
def test_a_cell_that_spoils_its_row_is_named(header: str, row: str, column: str, code: str) -> None:
    found = one(header, row)
    assert isinstance(found, RowError)
    assert (found.line, found.column, found.code) == (2, column, code)
    assert found.cells == tuple(row.split(","))


def test_dates_are_read_as_their_country_writes_them() -> None:
    march = datetime(2026, 3, 4, tzinfo=UTC)
    assert when("2026-03-04", None) == march
    assert when("3/4/2026", "US") == march
    assert when("4/3/2026", "GB") == march
    assert when("04.03.2026", "US") == march
    assert when("2026-03-04T02:00:00+02:00", None) == march
    assert when("31/31/2026", "US") is None


def test_rows_handed_back_are_read_again_without_their_two_last_columns() -> None:
    data = b"phone,note,line,reason\n'+1 212 555 0142,'=1+1,7,the reason\n"
    found = contacts_of(data)[0]
    assert isinstance(found, ContactRow)
    assert found.phones[0].e164 == "+12125550142"
    assert found.variables == {"note": "=1+1"}


@given(st.text(max_size=20))
def test_a_formula_is_disarmed_and_comes_back(cell: str) -> None:
    safe = quoted(cell)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unquoted(safe) == cell or cell.startswith("'")


@given(st.text(max_size=30))
def test_a_variable_name_can_stand_in_a_template(header: str) -> None:
    name = variable_name(header)
    assert name == "" or name.isidentifier()


def dnc_of(data: bytes) -> list[DncRow | RowError]:
    rows = rows_of(data)
    assert not isinstance(rows[0], RowError)
    parser = DncParser(rows[0][1], region="US")
    body = rows[1:] if parser.columns else rows
    return [row if isinstance(row, RowError) else parser(*row) for row in body]


@pytest.mark.parametrize(
    "data",
    [
        b"2125550142\n3055550101\n",
        b"212,5550142\n305,5550101\n",
        b"+12125550142\n+1 (305) 555-0101\n",
        b"Phone Number,Reason\n2125550142,asked\n3055550101,\n",
        b"name;tel;date\nAna;2125550142;2026-01-01\nBob;3055550101;2026-01-01\n",
    ],
)
def test_do_not_call_files_are_read_with_or_without_a_header(data: bytes) -> None:
    found = dnc_of(data)
    assert [row.phones[0].e164 for row in found if isinstance(row, DncRow)] == BOTH


def test_a_doubtful_do_not_call_row_is_never_dropped_in_silence() -> None:
    found = dnc_of(b"phone,reason\n2125550142,asked twice\n12,x\n,\n")
    assert isinstance(found[0], DncRow)
    assert found[0].reason == "asked twice"
    assert isinstance(found[1], RowError)


def test_a_do_not_call_file_without_numbers_is_refused() -> None:
    with pytest.raises(BadFile, match="neither a telephone column nor a number"):
        DncParser(["name", "city"], region="US")


def test_a_field_that_is_said_to_be_in_no_column_is_not_guessed():
    found = map_columns(["phone", "State", "mobile"], {"state": "", "phone": "mobile", "phone_2": ""})
    assert dict(found.fields) == {"phone": 2}
    assert found.names == ("phone", "state")
