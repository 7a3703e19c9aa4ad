"""What a file is that isn't the CSV it is called, by its first bytes, and what to do with it.

Nothing here unpacks anything: an archive that would unfold to gigabytes is named like any other.
"""

import re

from campaign.domain.errors import BadFile

EXPORT = "Export it as CSV (UTF-8) and import that file."
_SAVE = "Open it in the program that made it, save it as CSV (UTF-8), and import that file."
_UNPACK = "Unpack it and import the CSV that is in it."
_NO_LIST = "Export the contacts as CSV (UTF-8) from where they are kept, and import that file."

_MAGIC = (
    (b"PK\x05\x06", "an empty zip archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls) or another file of old Office", _SAVE),
    (b"%PDF", "a PDF", _NO_LIST),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x89PNG\r\n", "a PNG image", _NO_LIST),
    (b"\xff\xd8\xff", "a JPEG image", _NO_LIST),
    (b"GIF8", "a GIF image", _NO_LIST),
    (b"II*\0", "a TIFF image", _NO_LIST),
    (b"MM\0*", "a TIFF image", _NO_LIST),
    (b"SQLite format 3", "an SQLite database", EXPORT),
    (b"PAR1", "a Parquet file", EXPORT),
    (b"\xff\xfe\0\0", "text in UTF-32", "Save it as UTF-8 and import that file."),
    (b"\0\0\xfe\xff", "text in UTF-32", "Save it as UTF-8 and import that file."),
)
_ZIPPED = (
    (b"xl/", "an Excel workbook (.xlsx)", _SAVE),
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file (.ods)", _SAVE),
    (b".iwa", "an Apple Numbers or Pages file", _SAVE),
    (b"word/", "a Word document (.docx)", _SAVE),
)
_TEXTS = (
    (r"<!doctype html|<html|<table|<head|<body", "a web page (HTML), whatever its name says", _SAVE),
    (r"<\?xml|<svg|<[a-z]+ xmlns", "an XML file", _SAVE),
    (r"\{\\rtf", "a text document (RTF)", _SAVE),
    (r'[\[{]\s*[\[{"]', "JSON", EXPORT),
    (r"begin:vcard", "a vCard file", _NO_LIST),
    (r"version https://git-lfs", "a Git LFS pointer, which stands for the file", "Fetch the file itself."),
)
_TEXT_KINDS = tuple((re.compile(begin, re.IGNORECASE), what, do) for begin, what, do in _TEXTS)


def refuse_other_bytes(sample: bytes) -> None:
    """Refuse workbooks, archives, images and the like.

    Args:
        sample: the file's first bytes.

    Raises:
        BadFile: saying what the file is, and what to do.
    """
    for magic, what, do in _MAGIC:
        if sample.startswith(magic):
            raise _refused(what, do)
    if sample.startswith(b"PK\x03\x04"):
        raise _refused(*_zipped(sample))
    if sample[257:262] == b"ustar":
        raise _refused("a tar archive", _UNPACK)
    if sample[:4] == b"RIFF" and sample[8:12] == b"WEBP":
        raise _refused("a WebP image", _NO_LIST)
    if sample[4:8] == b"ftyp":
        raise _refused("a video or an image of a phone", _NO_LIST)


def _zipped(sample: bytes) -> tuple[str, str]:
    for inside, what, do in _ZIPPED:
        if inside in sample:
            return what, do
    if re.search(rb"\.(?:csv|txt|tsv)", sample[:400], re.IGNORECASE):
        return "a zip archive", _UNPACK
    return "an Excel workbook (.xlsx) or a zip archive", f"{_SAVE} {_UNPACK}"


def refuse_other_texts(text: str) -> None:
    """Refuse files that are text but no table: web pages, JSON, XML.

    Args:
        text: the file's beginning.

    Raises:
        BadFile: saying what the file is, and what to do.
    """
    begin = text[:1000].lstrip("\ufeff \t\r\n")
    for kind, what, do in _TEXT_KINDS:
        if kind.match(begin):
            raise _refused(what, do)


def _refused(what: str, do: str) -> BadFile:
    return BadFile(f"This is {what}, not a CSV file.", do)
