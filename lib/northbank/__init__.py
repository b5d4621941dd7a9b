"""Northbank: a made-up bank whose truth is known, to test everything on."""
