"""Verdicts: what may be said of a result (`judge`), what was asked (`registry`), and the record and
the document that carry it (`result`, `document`)."""
