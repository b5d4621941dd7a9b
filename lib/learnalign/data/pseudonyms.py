"""Keyed pseudonyms: ids of people become names that join as before and mean nothing without the
key.

A plain hash of an id is undone by hashing every id there could be; a keyed one (HMAC-SHA256, RFC
2104) is not, as long as the key is held apart from the data. Pseudonyms are still personal data
(EDPB guidelines 01/2025).
"""

import base64
import hmac
import os
import re
from typing import Any

import pandas as pd
from ibis.expr.types import BooleanValue, StringValue, Table

from learnalign.data.contract import Meta, columns_of
from learnalign.data.mistakes import DataError, Problem

PERSON_COLUMNS = ("person_id", "manager_id", "assessor_id", "from_id", "to_id")
KEY_BYTES = 32
# different ones in a key, and steps between them: one random key in 10^9 has fewer
FEWEST_BYTES = 20
HEX_DIGITS = 28  # 112 bits: two of ten million people get the same pseudonym once in 10^20 imports
KNOWN = "_pseudonyms"
KEY_FIX = (
    'make one with `python -c "import secrets; print(secrets.token_hex(32))"` and keep '
    "it apart from the data"
)


def read_key(variable: str) -> bytes:
    """The key in an environment variable, as hex or base64; a `DataError`, without it, if none.

    Refuses fewer than 256 bits, and what no random source gives: text, repeats, counting. It cannot
    see that a key was used before or told to others.
    """
    written = os.environ.get(variable, "").strip()
    key = _decoded(written)
    steps = {(after - before) % 256 for before, after in zip(key, key[1:], strict=False)}
    faults = {
        "is not set, or is empty": not written,
        "holds no key in hex or base64": not key,
        f"holds a key of {8 * len(key)} bits": len(key) < KEY_BYTES,
        "holds a key that is not random": min(len({*key}), len(steps)) < FEWEST_BYTES
        or key.isascii(),
    }
    if wrong := next((words for words, is_so in faults.items() if is_so), None):
        said = {"variable": variable, "wrong": wrong, "bits": 8 * KEY_BYTES, "make": KEY_FIX}
        raise DataError.of("bad_key", "pseudonyms", "key", **said)
    return key


def pseudonym(person: str, key: bytes) -> str:
    """The name that stands for `person`, the same for the same text and key: p and 28 hex digits.

    Blanks and upper case make another person, as they do in the contract. Source: RFC 2104, NIST SP
    800-107.

    >>> pseudonym("what do ya want for nothing?", b"Jefe")
    'p5bdcc146bf60754e6a0424260895'
    """
    return f"p{hmac.digest(key, person.encode(), 'sha256').hex()[:HEX_DIGITS]}"


def applied(engine: Any, rows: Table, key: bytes) -> Table:
    """`rows` with pseudonyms in every column that names a person; what is empty or blank stays so.

    Each person is hashed once for the whole import; the engine does the rest by joins.
    """
    if KNOWN not in engine.list_tables():
        engine.create_table(KNOWN, schema={"_id": "string", "_pseudonym": "string"})
    known = engine.table(KNOWN)
    for name in (name for name in PERSON_COLUMNS if name in rows.columns):
        people = rows.filter(_named(rows[name])).select(_id=name).distinct()
        new = people.anti_join(known, "_id").execute()._id
        engine.insert(
            KNOWN,
            pd.DataFrame({"_id": new, "_pseudonym": [pseudonym(person, key) for person in new]}),
        )
        joined = rows.left_join(known, rows[name] == known._id)
        rows = joined.mutate(
            **{name: _named(joined[name]).ifelse(joined._pseudonym, joined[name])}
        ).drop(known.columns)
    return rows.cache()


def refuse_ids(engine: Any, rows: Table, table: str, meta: Meta) -> None:
    """A `DataError` where another column of text holds an id, as when a unit has its manager's.

    Finds whole values, without regard to case and blanks: not an id inside a text, nor one read as
    a number.
    """
    ids = engine.table(KNOWN).select(_text=engine.table(KNOWN)._id.strip().lower())
    problems = []
    for column in columns_of(table, meta):
        if column.kind == "text" and column.name not in PERSON_COLUMNS and not column.allowed:
            texts = rows.select(_text=rows[column.name].strip().lower()).distinct()
            if count := int(texts.semi_join(ids, "_text").count().execute()):
                problems.append(Problem.of("ids_in_texts", table, column.name, n=count))
    if problems:
        raise DataError(problems)


def _named(person: StringValue) -> BooleanValue:
    return (person.strip() != "").fill_null(False)


def _decoded(text: str) -> bytes:
    """The bytes that hex or base64 (also the one for URLs) stands for; none where it is neither."""
    if re.fullmatch(r"([0-9A-Fa-f]{2})+", text):
        return bytes.fromhex(text)
    try:
        plain = text.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        return b""
