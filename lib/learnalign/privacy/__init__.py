"""Privacy: what may be shown (`rule`, `frames`), the one way to what is published (`gate`), and
whether it tells of anybody (`findings`, `audit`).
"""
