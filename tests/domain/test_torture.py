"""Files as people really bring them, at their worst: each has an exact verdict, and costs no other row."""

import bz2
import gzip
import io
import lzma
import zipfile
from datetime import UTC, datetime

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain.contact_sheet import RowParser, map_columns
from campaign.domain.csv_reader import EncodingScan, Row, RowError, RowReader, sniff
from campaign.domain.errors import BadFile
from campaign.domain.file_kind import EXPORT
from campaign.domain.phone import PhoneNumber, parse

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
HEADER = "name,phone\n"
GOOD = "".join(f"Ana{n},212-555-{n:04}\n" for n in range(5))
LAST = "Last,212-555-0999\n"
SAVE = "Open it in the program that made it, save it as CSV (UTF-8), and import that file."
UNPACK = "Unpack it and import the CSV that is in it."
NO_LIST = "Export the contacts as CSV (UTF-8) from where they are kept, and import that file."
QUOTE = "a quote opens here and isn't closed where its cell ends (within 60 lines)"


def read(data: bytes, region: str = "US", piece: int = 1 << 16) -> tuple[list[str], list[RowError]]:
    """The numbers taken from a file, and the rows rejected, in the way of an import."""
    scan = EncodingScan()
    scan.feed(data, final=True)
    dialect = sniff(data[: 1 << 16], utf8=scan.is_utf8)
    reader = RowReader(dialect)
    rows: list[Row | RowError] = []
    for at in range(dialect.skip, len(data), piece):
        rows += reader.feed(data[at : at + piece])
    rows += reader.finish()
    if isinstance(rows[0], RowError):
        raise BadFile(f"The header cannot be read: {rows[0].why}.")
    parser = RowParser(map_columns(rows[0][1]), region=region, now=NOW)
    found = [row if isinstance(row, RowError) else parser(*row) for row in rows[1:]]
    taken = [row.phones[0].e164 for row in found if not isinstance(row, RowError)]
    return taken, [row for row in found if isinstance(row, RowError)]


def zipped(*files: tuple[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files:
            archive.writestr(name, text)
    return out.getvalue()


def bomb() -> bytes:
    """A zip that would unfold to fifty megabytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("people.csv", "0" * 50_000_000)
    return out.getvalue()


def short(case: object) -> str:
    """A case's name: some are megabytes long, some differ from run to run."""
    return str(case)[:40] if isinstance(case, str) else ""


# ── what is no CSV, whatever its name ──────────────────────────────────────────────────────────────────

WORKBOOK = zipped(("[Content_Types].xml", "<x/>"), ("xl/workbook.xml", "<x/>"))
SHEET = zipped(("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", "<x/>"))
TAR = b"people.csv".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 250 + GOOD.encode()


@pytest.mark.parametrize(
    ("data", "what", "do"),
    [
        (WORKBOOK, "This is an Excel workbook (.xlsx), not a CSV file.", SAVE),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "This is an old Excel workbook (.xls)", SAVE),
        (SHEET, "This is an OpenDocument file (.ods), not a CSV file.", SAVE),
        (zipped(("Index/Document.iwa", "x")), "This is an Apple Numbers or Pages file", SAVE),
        (zipped(("word/document.xml", "x")), "This is a Word document (.docx)", SAVE),
        (zipped(("people.csv", HEADER + GOOD)), "This is a zip archive, not a CSV file.", UNPACK),
        (bomb(), "This is a zip archive, not a CSV file.", UNPACK),
        (b"PK\x05\x06" + b"\0" * 18, "This is an empty zip archive", UNPACK),
        (gzip.compress((HEADER + GOOD).encode(), mtime=0), "This is a gzip archive, not a CSV file.", UNPACK),
        (bz2.compress(GOOD.encode()), "This is a bzip2 archive", UNPACK),
        (lzma.compress(GOOD.encode()), "This is an xz archive", UNPACK),
        (b"7z\xbc\xaf\x27\x1c\0\x04" + b"abc" * 9, "This is a 7-Zip archive", UNPACK),
        (b"Rar!\x1a\x07\x01\0" + b"abc\0" * 20, "This is a RAR archive", UNPACK),
        (TAR, "This is a tar archive", UNPACK),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"x" * 99, "This is a PNG image, not a CSV file.", NO_LIST),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + b"x" * 99, "This is a JPEG image", NO_LIST),
        (b"GIF89a" + bytes(range(200)), "This is a GIF image", NO_LIST),
        (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(200), "This is a WebP image", NO_LIST),
        (b"\0\0\0\x18ftypheic" + bytes(200), "This is a video or an image of a phone", NO_LIST),
        (b"%PDF-1.7\n%\xe2\xe3\n", "This is a PDF, not a CSV file.", NO_LIST),
        (b"<!DOCTYPE html>\n<table><tr><td>phone", "This is a web page (HTML)", SAVE),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<Workbook>', "This is an XML file", SAVE),
        (b'[\n {"phone": "212-555-0142"}]', "This is JSON, not a CSV file.", EXPORT),
        (b'{"phone": "212-555-0142"}\n', "This is JSON, not a CSV file.", EXPORT),
        (b"BEGIN:VCARD\nTEL:212-555-0142\n", "This is a vCard file", NO_LIST),
        (b"version https://git-lfs.github.com/spec/v1\n", "This is a Git LFS pointer", "Fetch the file"),
        ((HEADER + GOOD).encode("utf-32"), "This is text in UTF-32", "Save it as UTF-8"),
        (bytes(range(1, 256)) * 9, "This is a binary file, not a CSV file.", EXPORT),
        (b"\0" * 5_000, "The file holds nothing but NUL bytes", EXPORT),
        (b"", "The file is empty.", EXPORT),
        (b" \r\n\n", "The file is empty.", EXPORT),
    ],
    ids=short,
)
def test_what_is_no_csv_is_named_with_what_to_do(data: bytes, what: str, do: str) -> None:
    with pytest.raises(BadFile) as refused:
        read(data)
    assert refused.value.what.startswith(what)
    assert refused.value.do.startswith(do)


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("phone,phone\n", 'Two columns have the same name: "phone".'),
        ("Phone,PHONE \n", 'Two columns have the same name: "Phone" and "PHONE".'),
        ("phone,name,Name\n", 'Two columns have the same name: "name" and "Name".'),
        ("Ana,212-555-0142\n", 'No column holds telephone numbers. The file\'s columns are: "Ana", "212'),
        ("na\0me,phone\n", "The file's first line holds NUL bytes"),
        ('"name,phone\n', f"The header cannot be read: {QUOTE}."),
        ("n" * 5_000_000 + ",phone\n", "The header cannot be read: the line is longer than 1,048,576 char"),
    ],
    ids=short,
)
def test_a_header_that_cannot_be_used_is_refused_in_words(header: str, what: str) -> None:
    with pytest.raises(BadFile) as refused:
        read((header + GOOD).encode())
    assert refused.value.what.startswith(what)


# ── encodings ──────────────────────────────────────────────────────────────────────────────────────────

JAPANESE = "name,phone\n" + "".join(
    f"東京都千代田区丸の内一丁目の田中さん{n},212-555-{n:04}\n" for n in range(9)
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [HEADER + GOOD, JAPANESE])
def test_byte_order_marks_and_utf_16_without_one_lose_no_row(encoding: str, text: str) -> None:
    taken, rejected = read(text.encode(encoding))
    assert (len(taken), rejected) == (text.count("\n") - 1, [])


def test_a_second_byte_order_mark_hides_no_column() -> None:
    assert len(read(b"\xef\xbb\xbf\xef\xbb\xbfphone,name\n2125550142,Ana\n")[0]) == 1
    assert len(read(b'\xef\xbb\xbf"phone","name"\n2125550142,Ana\n')[0]) == 1


def test_half_a_character_of_utf_16_is_named_and_costs_its_row_alone() -> None:
    broken = (HEADER + GOOD).encode("utf-16-le") + b"\x00\xd8" + f"Bo,1\n{LAST}".encode("utf-16-le")
    taken, rejected = read(broken)
    assert len(taken) == 6
    assert [(r.line, r.code, r.why) for r in rejected] == [
        (7, "encoding", "cell 1 holds bytes that are no text")
    ]


def test_one_damaged_byte_garbles_no_other_name_of_a_file_in_utf_8() -> None:
    data = (
        (HEADER + "Zoë,212-555-0142\nRenée,212-555-0143\n").encode()
        + b"Zo\xeb,212-555-0144\n"
        + LAST.encode()
    )
    scan = EncodingScan()
    scan.feed(data, final=True)
    assert sniff(data, utf8=scan.is_utf8).encoding == "utf-8"
    taken, rejected = read(data)
    assert (len(taken), [(r.line, r.code) for r in rejected]) == (3, [(4, "encoding")])


def test_a_nul_that_strayed_into_a_short_list_does_not_make_it_another_script() -> None:
    taken, rejected = read(b"phone\n2125550142\n\x00\n2125550143\n")
    assert taken == ["+12125550142", "+12125550143"]
    assert [(r.line, r.code) for r in rejected] == [(3, "nul")]


# ── rows ───────────────────────────────────────────────────────────────────────────────────────────────

A_THOUSAND = "".join(f"P{n},305-555-{n:04}\n" for n in range(1000))
LONG = "the line is longer than 1,048,576 characters"
NO_TEXT = "cell 2 holds a NUL character"


@pytest.mark.parametrize(
    ("rows", "taken", "line", "code", "why"),
    [
        ('"Bob,212-555-0500\n' + A_THOUSAND, 1000, 7, "quote", QUOTE),
        ('"Bob,212-555-0500\n' + A_THOUSAND + 'Q,"305-555-1500"\n', 1001, 7, "quote", QUOTE),
        ("Bob,212-555-\x000500\n", 0, 7, "nul", NO_TEXT),
        ("x" * 5_000_000 + ",212-555-0500\n", 0, 7, "line_too_long", LONG),
        ('"' + "x" * 5_000_000 + '",212-555-0500\n', 0, 7, "line_too_long", LONG),
        ("x" * 200_000 + ",212-555-0500\n", 0, 7, "cell_too_long", "a cell is longer than 131,072 char"),
        ("x" * 5_000 + ",212-555-0500\n", 0, 7, "cell_too_long", "the cell has 5,000 characters, at most"),
        ("Bob,212-555-0500" + ",x" * 9_998 + "\n", 0, 7, "too_many_cells", "the row has too many cells"),
        ("Bob\n", 0, 7, "too_few_cells", "the row has too few cells: 1, the header has 2"),
        ("Bob,212-555-0500\rX,212-555-0501\n", 0, 7, "line_break", "a line break stands outside quotes"),
        ("\x1a\n", 0, 7, "too_few_cells", "the row has too few cells: 1, the header has 2"),
    ],
    ids=short,
)  # fmt: skip
def test_a_bad_row_is_named_and_costs_no_other(rows: str, taken: int, line: int, code: str, why: str) -> None:
    found, rejected = read((HEADER + GOOD + rows + LAST).encode())
    assert len(found) == 5 + taken + 1
    assert found[-1] == "+12125550999"
    assert [(r.line, r.code) for r in rejected] == [(line, code)]
    assert rejected[0].why.startswith(why)


def test_a_cell_of_five_megabytes_in_lines_costs_only_its_own_lines() -> None:
    taken, rejected = read((HEADER + GOOD + '"' + "x\n" * 50_000 + '",212-555-0500\n' + LAST).encode())
    assert (len(taken), taken[-1]) == (6, "+12125550999")
    assert (rejected[0].line, rejected[0].why, rejected[-1].line) == (7, QUOTE, 50_007)


def test_zeros_at_a_files_end_cost_no_row_before_them() -> None:
    taken, rejected = read((HEADER + GOOD).encode() + b"\0" * 4_096)
    assert (len(taken), [(r.line, r.code) for r in rejected]) == (5, [(7, "nul")])


def test_ten_thousand_columns_are_ten_thousand_variables() -> None:
    names = ",".join(f"c{n}" for n in range(10_000))
    columns = map_columns(f"phone,{names}".split(","))
    assert len(columns.names) == 10_000
    taken, rejected = read(f"phone,{names}\n2125550142{',v' * 10_000}\n2125550143,x\n".encode())
    assert (taken, [r.code for r in rejected]) == (["+12125550142"], ["too_few_cells"])


def test_ten_thousand_empty_cells_at_a_rows_end_are_passed_over() -> None:
    taken, rejected = read((HEADER + "Bob,212-555-0500" + "," * 10_000 + "\n" + LAST).encode())
    assert (len(taken), rejected) == (2, [])


# ── numbers ────────────────────────────────────────────────────────────────────────────────────────────

EXPONENT = "a spreadsheet turned this number into {}, its last digits are lost: format the column as text and"
DECIMAL = "a spreadsheet turned this number into a decimal ({}): format the column as text and export again"
COMMAS = "commas stand between the digits: write spaces, hyphens or nothing instead"
FIGURES = "raised, circled or other figures stand among the digits"
SEVERAL = "more than one number stands in the cell: give each its own column"
LETTERS = "letters stand where digits are expected"


@pytest.mark.parametrize(
    ("cell", "region", "code", "why"),
    [
        *((text, "US", "excel_exponent", EXPONENT.format(text)) for text in (
            "2.12555E+09", "2.125550142E+9", "1.21256E10", "+1.21256E+10", "-1.21256E+10", "2125550142e+00",
            "1.21255501420000E+10", "1,21256E+10", "1.21256E 10",
        )),
        ("'+1.21256E+10", "US", "excel_exponent", EXPONENT.format("+1.21256E+10")),
        ("２．１２５５５Ｅ＋０９", "US", "excel_exponent", EXPONENT.format("2.12555E+09")),
        ("2125550142.0", "US", "excel_decimal", DECIMAL.format("…42.0")),
        ("1212555014.2", "US", "excel_decimal", DECIMAL.format("…14.2")),
        ("912345678.0", "IN", "excel_decimal", DECIMAL.format("…78.0")),
        ("912345678.0 x5", "IN", "excel_decimal", DECIMAL.format("…78.0")),
        ("tel: 912345678.0", "IN", "excel_decimal", DECIMAL.format("…78.0")),
        ('="912345678.0"', "IN", "excel_decimal", DECIMAL.format("…78.0")),
        ("(912345678.0)", "IN", "excel_decimal", DECIMAL.format("…8.0)")),
        ("912345678 .0", "IN", "excel_decimal", DECIMAL.format("…8 .0")),
        ("912 345 678.0", "IN", "excel_decimal", DECIMAL.format("…78.0")),
        ("912,345,678.0", "IN", "excel_decimal", DECIMAL.format("…78.0")),
        ("9123456.780", "IN", "excel_decimal", DECIMAL.format("….780")),
        ("0.9123456780", "IN", "excel_decimal", DECIMAL.format("…6780")),
        ("٩١٢٣٤٥٦٧٨٫٠", "IN", "excel_decimal", DECIMAL.format("…٧٨.٠")),
        ("1,212,555,0142", "US", "commas", COMMAS),
        ("2,125,550,142", "US", "commas", COMMAS),
        ("20,12,34", "FO", "commas", COMMAS),
        ("912345678²", "IN", "letters", FIGURES),
        ("②①②⑤⑤⑤⓪①④②", "US", "letters", FIGURES),
        ("21255501Ⅳ2", "US", "letters", LETTERS),
        ("#NAME?", "US", "excel_error", "a spreadsheet's error stands here (#NAME?): mend it"),
        ("212-555-0142,123", "US", "several", SEVERAL),
        ("212-555-0142,,123#", "US", "several", SEVERAL),
        ("212-555-0142 poste 12", "US", "letters", LETTERS),
        ("212-555-0142p12", "US", "letters", LETTERS),
        ("+abc", "US", "letters", LETTERS),
        ("N/A", "US", "letters", LETTERS),
        ("0", "US", "too_short", "the number has too few digits"),
        ("1111111111", "US", "not_in_use", "no number begins like this in that country"),
    ],
)  # fmt: skip
def test_a_damaged_number_is_refused_in_words(cell: str, region: str, code: str, why: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    others = "".join(f"A{n},+1 212 555 {n:04}\n" for n in range(5))
    taken, rejected = read(f"{HEADER}{others}Bob,{quoted}\nLast,+1 212 555 0999\n".encode(), region)
    assert len(taken) == 6
    assert [(r.line, r.column, r.code) for r in rejected] == [(7, "phone", code)]
    assert rejected[0].why.startswith(why)


@pytest.mark.parametrize(
    "cell",
    [
        "２１２−５５５−０１４２",
        "＋１（２１２）５５５０１４２",
        "٢١٢-٥٥٥-٠١٤٢",
        "۲۱۲۵۵۵۰۱۴۲",
        "२१२५५५०१४२",
        "\u202a+1 212 555 0142\u202c",
        '="2125550142"',
        "'2125550142",
        "2125550142.",
        "212.555.0142",
        "212555.0142",
        "2.125.550.142",
        "212-555-0142 x123",
        "212-555-0142 ext. 9",
        "2125550142;ext=12",
        "212-555-0142 #7",
    ],
)
def test_digits_of_other_scripts_and_extensions_are_the_number_that_they_say(cell: str) -> None:
    number = parse(cell, "US")
    assert isinstance(number, PhoneNumber)
    assert number.e164 == "+12125550142"


_VALID = [
    str(phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE).national_number)
    for region in ("US", "IN", "DE", "FR", "GB", "BR", "NG", "JP")
]


@given(st.data())
@settings(max_examples=600, deadline=None)
def test_what_a_spreadsheet_makes_of_a_number_is_nobodys_number(data: st.DataObject) -> None:
    """Whatever is drawn, a float's ways to write it are never taken for a number."""
    digits = data.draw(st.one_of(st.sampled_from(_VALID), st.text("0123456789", min_size=6, max_size=13)))
    value = float(digits or "0")
    text = data.draw(
        st.sampled_from(
            [
                f"{value:.1f}",
                f"{value:.2f}",
                f"{value:,.2f}",
                f"{value:.5E}",
                f"{value / 10:.1f}",
                f"{value:e}",
            ]
        )
    )
    text = data.draw(
        st.sampled_from([text, text.replace(".", ",") if "," not in text else text, f" {text} "])
    )
    region = data.draw(st.sampled_from(["US", "IN", "DE", "FR", "GB", "BR", "NG", "JP", "FO", None]))
    assert not isinstance(parse(text, region), PhoneNumber)
