"""Narrowing: which rows of a frame an expression such as `location == 'Farhaven'` names.

An expression compares columns with values, and nothing else: it is read, never run.
"""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pandas as pd

from learnalign.data.mistakes import DataError, Problem, nearest

COMPARE: Mapping[type, Callable[[pd.Series, Any], pd.Series]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda column, values: column.isin(values),
    ast.NotIn: lambda column, values: ~column.isin(values),
}
MOST_TOLD = 12  # values of a column that a message names


def rows_where(frame: pd.DataFrame, where: str, *, tells: bool = True) -> pd.Series:
    """Whether each row of `frame` is as `where` says; a row in which it cannot be known is not.

    `where` compares columns with values (`==  !=  <  <=  >  >=  in  not in`), joined by `and`, `or`
    and `not`. Raises `DataError` with all that is wrong in it at once: a name or a value that there
    is not comes with the nearest.

    >>> frame = pd.DataFrame({"place": ["a", "b", "b"], "years": [1, 2, None]})
    >>> rows_where(frame, "place == 'b' and not years > 3").tolist()
    [False, True, False]
    """
    try:
        tree = ast.parse(where.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise DataError.of("where_unread", "where", got=where) from None
    if problems := [one for node in _leaves(tree) for one in _wrong(frame, node, tells)]:
        raise DataError(problems)
    known = pd.Series(True, frame.index)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            known &= frame[node.id].notna()
    return _holds(frame, tree) & known


def _leaves(node: ast.expr) -> list[ast.expr]:
    """What is joined by and, or, not."""
    if isinstance(node, ast.BoolOp):
        return [leaf for one in node.values for leaf in _leaves(one)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _leaves(node.operand)
    return [node]


def _wrong(frame: pd.DataFrame, node: ast.expr, tells: bool) -> list[Problem]:
    """What is wrong with one comparison."""
    if isinstance(node, ast.Name):
        node = ast.Compare(node, [ast.Eq()], [ast.Constant(True)])
    if not isinstance(node, ast.Compare) or not isinstance(node.left, ast.Name):
        return [Problem.of("where_unread", "where", got=ast.unparse(node))]
    name = node.left.id
    if name not in frame:
        told = ", ".join([*frame][:MOST_TOLD]) + (", ..." if len(frame.columns) > MOST_TOLD else "")
        known = {"near": nearest(name, frame), "what": "column", "known": told}
        return [Problem.of("no_such", "where", got=name, **known)]
    op, value = node.ops[0], None
    with suppress(ValueError):
        value = ast.literal_eval(node.comparators[0])
    is_many = isinstance(value, list | tuple | set)
    is_sound = len(node.ops) == 1 and type(op) in COMPARE and value is not None
    if not is_sound or is_many != isinstance(op, ast.In | ast.NotIn):
        return [Problem.of("where_unread", "where", got=ast.unparse(node))]
    return _strange(frame[name], name, [*value] if is_many else [value], op, tells)


def _strange(
    column: pd.Series, name: str, values: Sequence[Any], op: ast.cmpop, tells: bool
) -> list[Problem]:
    """Values that a column of text does not hold, and kinds that do not go together."""
    is_text = not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))
    wrong = [one for one in values if isinstance(one, str) != is_text]
    if wrong or (is_text and isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE)):
        kind = "text, compared by ==, !=, in, not in" if is_text else "numbers"
        return [Problem.of("where_kind", "where", name, repr(one), kind=kind) for one in values]
    if not is_text or not tells:
        return []
    there = sorted(map(str, column.dropna().unique()))
    told = ", ".join(there[:MOST_TOLD]) + (", ..." if len(there) > MOST_TOLD else "")
    return [
        Problem.of("no_such", "where", name, one, near=nearest(one, there), what=name, known=told)
        for one in values
        if one not in there
    ]


def _holds(frame: pd.DataFrame, node: ast.expr) -> pd.Series:
    if isinstance(node, ast.BoolOp):
        join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        first, *rest = (_holds(frame, one) for one in node.values)
        for one in rest:
            first = join(first, one)
        return first
    if isinstance(node, ast.UnaryOp):
        return ~_holds(frame, node.operand)
    if isinstance(node, ast.Name):
        return frame[node.id].fillna(False).astype(bool)
    value = ast.literal_eval(node.comparators[0])
    value = [*value] if isinstance(value, list | tuple | set) else value
    return COMPARE[type(node.ops[0])](frame[node.left.id], value).fillna(False).astype(bool)
