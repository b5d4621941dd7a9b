"""Waiting: who asked by hand sees how far the answer has come, after a second; nobody else does."""

import dataclasses
import io
import sys
import time
from types import SimpleNamespace

import pytest

import learnalign as la
from learnalign import studies
from learnalign.privacy import keys
from learnalign.report import waiting


@pytest.fixture
def fresh(study):
    return dataclasses.replace(study, progress=studies.Progress(), told=studies.Told())


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)
    monkeypatch.setattr(waiting, "STEP", 0.01)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def ask_slowly(study, parts=3):
    with waiting.watched(study):
        for _ in study.progress.each(range(parts)):
            time.sleep(0.05)


def test_parts_of_parts_come_to_the_whole_and_never_go_back():
    progress, seen = studies.Progress(), []
    for outer in progress.each("ab"):
        seen.append(progress.done)
        for _ in progress.each(range(4 if outer == "a" else 0)):
            seen.append(progress.done)
    assert seen == [0, 0, 0.125, 0.25, 0.375, 0.5]
    assert progress.done == 1
    progress.begin()
    assert (progress.done, [*progress.each("x")], progress.done) == (0, ["x"], 1)


def test_a_terminal_shows_a_bar_and_wipes_it(fresh, at_once, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    ask_slowly(fresh)
    told = sys.stderr.getvalue()
    assert "━" in told and told.rstrip().endswith("\x1b[2K")


def test_a_short_wait_shows_nothing(fresh, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    ask_slowly(fresh)
    assert sys.stderr.getvalue() == ""


def test_nothing_is_shown_where_nobody_waits(fresh, at_once, capsys):
    ask_slowly(fresh)
    assert capsys.readouterr() == ("", "")


def test_nothing_is_shown_of_a_run(fresh, at_once, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    door = dataclasses.replace(fresh.gate, draws=keys.Draws(b"secret", "state"))
    ask_slowly(dataclasses.replace(fresh, gate=door))
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_kernel_shows_it_to_whoever_can_be_asked(monkeypatch, is_answered):
    request = {"content": {"allow_stdin": is_answered}}
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda _: request))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert waiting._place() is (waiting._in_a_notebook if is_answered else None)


def test_a_mistake_ends_the_waiting(fresh, at_once, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ZeroDivisionError), waiting.watched(fresh):
        time.sleep(0.05)
        raise ZeroDivisionError
    before = sys.stderr.getvalue()
    time.sleep(0.05)
    assert before and sys.stderr.getvalue() == before


@pytest.mark.slow
def test_what_is_asked_counts_as_done(fresh):
    la.ask(fresh, "Q2", by="gender")
    assert fresh.progress.done == pytest.approx(1)
