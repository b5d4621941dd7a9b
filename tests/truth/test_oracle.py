"""Somebody who knows all but one person, and asks a run: never surer than the privacy page says.

The attacker is `tests/benchmarks/oracle.py`, who asks a thousand questions of more companies when
started by hand; here it is few.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks/oracle.py"


@pytest.fixture(scope="module")
def oracle():
    spec = importlib.util.spec_from_file_location("oracle", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["oracle"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def test_an_oracle_is_right_no_more_often_than_is_told(oracle):
    found = oracle.attack(1, people=600, n=20, n_keys=12)
    assert found.right <= oracle.BOUND + 3 * found.error
    assert not found.certain and not found.small
    assert found.shown > 0
