"""Privacy: what may be shown (`rule`), how far it is moved (`noise`, by draws of `keys`), the one
way to what is shown (`gate`), and whether anything published tells of somebody (`audit`).
"""
