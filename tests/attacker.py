"""An attacker who reads what was published: test code that shares none with the library.

A release is told in equations, as mappings of a cell's name to its coefficient: their sum is zero.
The attacker solves a dense linear program over all cells, with the shown ones fixed, and looks how
low and high a hidden one can be.
"""

import numpy as np
from scipy.optimize import linprog


def table_equations(n_rows, n_columns):
    """Of a table with all its totals, cells named (row, column), the total in the place after the
    last.
    """
    rows = [{(i, j): -1 for j in range(n_columns)} | {(i, n_columns): 1} for i in range(n_rows + 1)]
    columns = [{(i, j): -1 for i in range(n_rows)} | {(n_rows, j): 1} for j in range(n_columns + 1)]
    return rows + columns


def attack(equations, shown, wanted, whole=True):
    """Lowest and highest count of each wanted cell; `whole`: the attacker knows that people are not
    broken.
    """
    names = sorted(
        {name for equation in equations for name in equation} | set(shown) | set(wanted), key=repr
    )
    matrix = np.array(
        [[equation.get(name, 0) for name in names] for equation in equations] or [[0] * len(names)]
    )
    bounds = [(shown[name], shown[name]) if name in shown else (0, None) for name in names]
    return {
        name: tuple(_end(matrix, bounds, names.index(name), sign, whole) for sign in (1, -1))
        for name in wanted
    }


def _end(matrix, bounds, place, sign, whole):
    goal = np.zeros(len(bounds))
    goal[place] = sign
    found = linprog(
        goal, A_eq=matrix, b_eq=np.zeros(len(matrix)), bounds=bounds, integrality=int(whole)
    )
    if found.status == 0:
        return float(round(found.x[place], 6))
    # Unbounded: up to a million people the solver agrees that it is reached
    bounds = [*bounds[:place], (0, 1e6), *bounds[place + 1 :]]
    found = linprog(
        goal, A_eq=matrix, b_eq=np.zeros(len(matrix)), bounds=bounds, integrality=int(whole)
    )
    assert found.status == 0 and found.x[place] > 1e6 - 1, found.message
    return np.inf
