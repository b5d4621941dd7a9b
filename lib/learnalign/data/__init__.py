"""Data: what tables must be (`contract`), how they are read (`reading`, from `files` in `folders`)
and brought in from exports (`importing`, by a `mapping` of `sources`, with `pseudonyms`), how a
mistake in them is told (`mistakes`), and what a run keeps of them (`kept`)."""
