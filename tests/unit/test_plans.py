"""Plans: fixed before outcomes are read, told with what was changed since an edition was made."""

import datetime as dt
import json
from types import SimpleNamespace

import pytest

from learnalign.data.mistakes import DataError
from learnalign.runs import layout, plans
from learnalign.runs.spec import RunSpec

FIRST = dt.datetime(2026, 1, 5, 3, 0, 0, tzinfo=dt.UTC)


def spec(**more) -> RunSpec:
    return RunSpec(report="r", data="data", notebooks=("coverage",), **more)


@pytest.fixture
def out(tmp_path):
    (tmp_path / ".runs").mkdir()
    return tmp_path


def kept(out, day=0, **more):
    log = SimpleNamespace(out=out, started=FIRST + dt.timedelta(days=day))
    return plans.kept(spec(**more), log)


def publish(out, as_of: str) -> None:
    (out / "r" / as_of).mkdir(parents=True)
    (out / "r" / as_of / "results.json").write_text("{}")


def test_the_first_run_fixes_a_plan_and_the_next_one_finds_it(out):
    first = kept(out)
    publish(out, "2026-01-01")
    assert kept(out, day=90) == first
    (plan,) = first
    assert plan.fixed_on == "2026-01-05T03:00:00+00:00" and plan.editions == 0
    assert plan.fixed["smallest_effect"]["rating_sd"] == 0.10
    assert plan.fixed["windows"] == {"embargo_days": 30, "first_window_days": 182, "late_days": 45}
    q2 = plan.fixed["questions"]["Q2"]["acknowledging_to_rating"]
    assert (q2["exposure"], q2["outcome"], q2["smallest"]) == (
        "acknowledged",
        "rating",
        "rating_sd",
    )
    assert "attrition" in plan.fixed["checks"] and len(plan.fixed["questions"]) == 8


def test_a_change_before_any_edition_takes_the_plans_place(out):
    kept(out)
    (plan,) = kept(out, day=1, embargo_days=0)
    assert plan.changed == () and plan.fixed["windows"]["embargo_days"] == 0
    assert plans.told((plan,))["changes"] == []


def test_a_change_after_an_edition_is_told_from_then_on(out):
    kept(out)
    publish(out, "2026-01-01")
    easier = {"smallest_effect": {"rating_sd": 0.01}}
    kept(out, day=90, **easier)
    back = kept(out, day=180)
    first, *changes = [one.changed for one in back]
    assert first == ()
    assert changes == [
        ("smallest_effect, rating_sd: 0.1 → 0.01",),
        ("smallest_effect, rating_sd: 0.01 → 0.1",),
    ]
    told = plans.told(back)
    assert told["fixed_on"] == back[0].fixed_on and told["digest"] == back[-1].digest[:12]
    assert [one["fixed_on"][:10] for one in told["changes"]] == ["2026-04-05", "2026-07-04"]


def test_a_plan_that_was_lost_is_no_plan_from_before(out):
    kept(out)
    publish(out, "2026-01-01")
    publish(out, "2026-07-01")
    (out / "plan.json").unlink()
    (plan,) = kept(out, day=300)
    assert plan.editions == 2


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda text: text[:-20], "damaged"),
        (lambda text: text.replace('"embargo_days": 30', '"embargo_days": 31'), "not as a run"),
        (lambda text: text.replace('"fixed_on"', '"fixed"'), "damaged"),
    ],
)
def test_a_damaged_plan_is_refused_and_an_audit_finds_it(out, harm, words):
    kept(out)
    path = out / "plan.json"
    path.write_text(harm(path.read_text()))
    with pytest.raises(DataError, match=words):
        kept(out, day=1)
    publish(out, "2026-01-01")
    (found,) = layout._plan(out / "r/2026-01-01", {})
    assert found.where == "plan.json" and words in found.what


def test_an_edition_may_name_only_a_plan_that_was_fixed(out):
    told = plans.told(kept(out))
    publish(out, "2026-01-01")
    kept(out, day=90, embargo_days=0)
    folder = out / "r/2026-01-01"
    assert not [*layout._plan(folder, {"plan": told})]  # of its day, though changed since
    (found,) = layout._plan(folder, {"plan": told | {"fixed_on": "2020-01-01"}})
    assert "plan.json does not hold" in found.what


def test_no_plan_is_written_behind_a_link(out, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "plan.json"
    (out / "plan.json").symlink_to(elsewhere)
    with pytest.raises(OSError, match="link"):
        kept(out)
    assert not elsewhere.exists()


def test_what_is_long_is_named_and_not_cited():
    before, now = (
        {"Q1": {"text": "a" * 50, "unit": "SD"}},
        {"Q1": {"text": "b" * 50}, "Q9": {"x": 1}},
    )
    assert [*plans.changes(before, now)] == ["Q1, text", "Q1, unit: SD → –", "Q9"]


def test_the_file_is_json_for_people_too(out):
    kept(out)
    text = (out / "plan.json").read_text()
    assert json.loads(text)["r"][0]["fixed"]["chance"] == {"level": 0.95, "headlines": "Holm"}
