"""Estimates: where numbers happen: contrasts with their intervals, and what could refute them."""
