"""Privacy: what may be shown (`rule`), the one way to what is published (`gate`), and whether it tells
of anybody (`audit`)."""
