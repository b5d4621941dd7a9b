"""Files: from CSV to rows of text, and back; every fault is told, and nothing is guessed."""

import codecs
import csv
import glob
import hashlib
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import duckdb
import ibis
import pandas as pd
from ibis.expr.types import Table
from pyarrow import parquet

from learnalign.data import sql
from learnalign.data.mistakes import DataError, Problem

MARKS = {codecs.BOM_UTF8: "UTF-8", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
LONGEST, HEADER, COLUMNS = 1_000_000, 200_000, 1000  # of a line, in letters; of a file
UTF8 = rb"\xc3[\x80-\xbf]"  # a letter as UTF-8 writes it: in other encodings it is two odd ones
C1 = rb"[\x80-\x9f]"  # quotes, dashes and the euro in windows-1252; nothing in ISO 8859
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# A spreadsheet may read as a formula what starts so, in a cell or after a sign that it takes for a
# cell's end
FORMULA = r"(^ *|[\t\n;|])(?=[=+\-@\t\n\uff1d\uff0b\uff0d\uff20])"


class OtherBytes(DataError):
    """A file is not UTF-8, and nothing says what it is."""


def fingerprint(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unreadable(table: str, path: Path, error: Exception, key: str = "unreadable") -> Problem:
    """A file that cannot be opened, or is not what its name says."""
    kind = "Parquet" if path.suffix.lower() == ".parquet" else "CSV"
    text = getattr(error, "strerror", None) or str(error).split("\n")[0]
    return Problem.of(key, table, got=text, file=path.name, kind=kind)


def check_utf8(path: Path, table: str) -> None:
    """A look at the bytes of a CSV file: UTF-8 without a mark, else a `DataError`."""
    with path.open("rb") as file:
        start = file.read(4)
    if mark := next((word for mark, word in MARKS.items() if start.startswith(mark)), None):
        raise DataError.of("byte_order_mark", table, file=path.name, mark=mark)
    if b"\0" in start:
        raise DataError.of("not_text", table, file=path.name)
    if line := bad_utf8_line(path):
        got = f"other bytes in line {line}, as in Latin-1 or Windows-1252"
        raise DataError.of("other_bytes", table, got=got, file=path.name)


def bad_utf8_line(path: Path) -> int | None:
    """The first line of a file that is not UTF-8, or None; a `DataError` where one is too long."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    with path.open("rb") as file:
        for part in itertools.chain(_parts(file, path, b"\n"), [b""]):
            try:
                decoder.decode(part, final=not part)
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].count(b"\n")
            line += part.count(b"\n")
    return None


def _line_of(shape: bytes, path: Path) -> int | None:
    """The first line with some bytes."""
    line = 1
    with path.open("rb") as file:
        for part in _parts(file, path, b"\n"):
            if found := re.search(shape, part):
                return line + part.count(b"\n", 0, found.start())
            line += part.count(b"\n")
    return None


def _parts(file: Any, path: Path, end: Any) -> Iterator[Any]:
    """An open file in parts; no line of it is longer than one can be."""
    line, rest = 1, 0
    while part := file.read(LONGEST):  # within a part no line is too long
        if rest + len(part.partition(end)[0]) > LONGEST:
            raise DataError.of("long_line", path.name, got=f"line {line}", most=f"{LONGEST:,}")
        line += part.count(end)
        rest = len(part) - part.rfind(end) - 1 if end in part else rest + len(part)
        yield part


def as_utf8(path: Path, encoding: str, scratch: Path) -> Path:
    """The file itself, or a UTF-8 copy without a byte-order mark where it is written otherwise."""
    plain = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    if not plain and len("ä€".encode(encoding, "ignore")) < 3 and (line := _line_of(UTF8, path)):
        got = f"letters written as UTF-8 in line {line}"
        raise DataError.of("is_utf8", path.name, "encoding", got=got, encoding=encoding)
    if codecs.lookup(encoding).name.startswith("iso8859") and (line := _line_of(C1, path)):
        got = f"signs of windows-1252 in line {line}"
        raise DataError.of("is_cp1252", path.name, "encoding", got=got, encoding=encoding)
    if plain and (line := bad_utf8_line(path)):
        raise OtherBytes.of("not_utf8", path.name, got=f"other bytes in line {line}")
    with path.open("rb") as file:
        if plain and file.read(3) != codecs.BOM_UTF8:
            return path
    copy = another(path.name, scratch)
    try:
        with (
            path.open(encoding="utf-8-sig" if plain else encoding, newline="") as old,
            copy.open("w", encoding="utf-8", newline="") as new,
        ):
            new.writelines(_parts(old, path, "\n"))
    except UnicodeError as error:
        wrong = DataError.of(
            "other_encoding", path.name, "encoding", got=str(error), encoding=encoding
        )
        raise wrong from None
    return copy


def another(name: str, scratch: Path) -> Path:
    """A place for a file that is made, which no other one has."""
    return scratch / f"{len(list(scratch.iterdir()))}-{name}"


def cut(path: Path, size: int, scratch: Path) -> Path:
    """The first bytes of a file, as a file of its own."""
    copy = another(path.name, scratch)
    with path.open("rb") as old, copy.open("wb") as new:
        while size > 0 and (part := old.read(min(size, LONGEST))):
            size -= new.write(part)
    return copy


def csv_header(path: Path, table: str, delimiter: str = ",", above: int = 0) -> list[str]:
    """The column names in the first line of a UTF-8 file, or the first below some lines; without a
    name, a column's place.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for _ in range(above):
                file.readline()
            start = io.StringIO(file.read(HEADER), newline="")
        header = next(csv.reader(start, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise DataError.of("open_quote", table, got=str(error), file=path.name) from None
    check_width(COLUMNS + 1 if start.tell() == HEADER else len(header), table)
    if not any(name.strip() for name in header):
        raise DataError.of("no_header", table, file=path.name)
    return [name or f"(column {number})" for number, name in enumerate(header, start=1)]


def check_width(columns: int, table: str) -> None:
    """A `DataError` where a file has more columns than a table of people can."""
    if columns > COLUMNS:
        raise DataError.of("too_wide", table, most=f"{COLUMNS:,}")


def parquet_width(path: Path, table: str) -> None:
    """The same of a Parquet file, before the engine sees it."""
    try:
        columns = parquet.read_metadata(path).num_columns
    except (OSError, ValueError):  # the engine tells better what is no Parquet file
        columns = 0
    check_width(columns, table)


def check_separator(header: Sequence[str], name: str, table: str) -> None:
    """A `DataError` where the header is one column because commas do not separate it."""
    for sign, word in SEPARATORS.items():
        if len(header) == 1 and sign in header[0]:
            raise DataError.of("other_separator", table, got=header[0][:60], file=name, sign=word)


def doubled(header: Sequence[str], table: str) -> list[Problem]:
    """Names that stand twice; the engine holds `Skill` and `skill` to be the same."""
    names = [name.lower() for name in header]
    twice = {low: name for low, name in zip(names, header, strict=True) if names.count(low) > 1}
    return [Problem.of("doubled", table, name) for name in twice.values()]


def csv_rows(
    engine: Any,
    path: Path,
    name: str,
    header: Sequence[str],
    delimiter: str = ",",
    missing: Sequence[str] = ("",),
    above: int = 0,
) -> Table:
    """The rows of a UTF-8 file as text; a line with too many or too few values is never skipped.

    It raises a `DataError`. `_row` is the row that a person sees in a spreadsheet: the header is
    row 1, where no lines are `above` it. Blank lines are not counted.
    """
    here = ibis.util.gen_name("rows")
    errors, rejects = [], ""
    if path.stat().st_size < LONGEST:  # to note them all takes long
        rejects = (
            f", store_rejects=true, rejects_table='{here}_errors', rejects_scan='{here}_scans'"
        )
    try:
        engine.con.execute(
            f"CREATE TABLE {here}_ AS SELECT * FROM read_csv(?, auto_detect=false, skip={above}, "
            f"header=true, delim=?, quote='\"', escape='\"', nullstr=?, columns=?{rejects})",
            [glob.escape(str(path)), delimiter, list(missing), dict.fromkeys(header, "VARCHAR")],
        )
        rows = f"SELECT rowid + {above + 2} AS _row, * FROM {here}_"
        engine.con.execute(f"CREATE VIEW {here} AS {rows}")
    except duckdb.Error as error:
        raise DataError([unreadable(name, path, error, "unreadable_csv")]) from None
    if rejects:
        query = f"SELECT line, error_message FROM {here}_errors ORDER BY line"
        errors = engine.con.execute(query).fetchall()
    if errors:
        lines = [line for line, _ in errors]
        wrong = Problem.of("ragged", name, got=errors[0][1], columns=len(header))
        lines = [*dict.fromkeys(lines)]
        raise DataError([replace(wrong, rows=tuple(lines[:5]), n_rows=len(lines))])
    _refuse_swallowed(engine, here, path, name, header, delimiter, above)
    return engine.table(here)


def _refuse_swallowed(
    engine: Any, here: str, path: Path, name: str, header: Sequence[str], sign: str, above: int
) -> None:
    """A `DataError` where a value holds whole lines of the file: a quote was open until another."""
    (n,) = engine.con.execute(f"SELECT count(*) FROM {here}").fetchone()
    with path.open("rb") as file:
        lines = sum(part.count(b"\n") for part in iter(lambda: file.read(LONGEST), b""))
    if lines <= n + above + 1 or len(header) < 3:
        return
    cell, then = f"[^\n{re.escape(sign)}]*", re.escape(sign)
    shape = sql.quoted(f"(?m)^({cell})({then}{cell}){{{len(header) - 1}}}$")
    own = [*map(sql.named, header)]
    some = " OR ".join(f"contains({x}, chr(10))" for x in own)
    lines = (f"regexp_extract_all(substr({x}, strpos({x}, chr(10))), {shape}, 1)" for x in own)
    looks = r"regexp_replace(regexp_replace(trim({}), '\pL+', 'a', 'g'), '\d+', '9', 'g')"
    first = looks.format(f"coalesce({own[0]}, '')")
    query = (  # a line in a text may have as many signs: a row also begins as the others do
        f"SELECT list(_row ORDER BY _row)[1:5], count(*) FROM (SELECT DISTINCT _row FROM (SELECT "
        f"_row, unnest(flatten([{', '.join(lines)}])) AS c FROM {here} WHERE {some}) "
        f"WHERE {looks.format('c')} IN (SELECT {first} FROM {here}))"
    )
    rows, n = engine.con.execute(query).fetchone()
    if n:
        wrong = Problem.of("quote_left_open", name)
        raise DataError([replace(wrong, rows=tuple(rows), n_rows=n)])


def safe_csv(frame: pd.DataFrame, path: Path | TextIO) -> None:
    """Write a CSV file for a person's spreadsheet: nothing in it is run as a formula (CWE-1236).

    An apostrophe goes before what a spreadsheet may take for a formula, and line ends in a text
    become one kind: such texts are not read back as they were. Numbers stay numbers. Data sets that
    are read again (`simulate`, `plan`) are written as they are.
    """
    text = frame.select_dtypes(exclude=["number", "bool", "datetime"]).columns
    safe = frame.assign(**{name: frame[name].map(_no_formula, na_action="ignore") for name in text})
    safe.rename(columns=_no_formula).to_csv(path, index=False, lineterminator="\n")


def _no_formula(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return re.sub(FORMULA, r"\1'", re.sub("\r\n?", "\n", value))
