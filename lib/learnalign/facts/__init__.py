"""Facts: what is counted and claims nothing."""
