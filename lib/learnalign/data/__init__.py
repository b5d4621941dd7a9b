"""Data: what tables must be (`contract`), how they are read (`reading`) and brought in from exports
(`importing`, `mapping`, `pseudonyms`), and how a mistake in them is told (`mistakes`)."""
