"""What all tests share: one kind for each test, and the folder of real data."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

# No window is opened. One thread per process, as tests run side by side and start kernels of their
# own; set before numpy is imported, and inherited by what the tests start.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import pytest
import yaml
from hypothesis import settings

ROOT = Path(__file__).parents[1]
KINDS = {
    "unit",
    "property",
    "golden",
    "truth",
    "notebook",
    "e2e",
    "fault",
    "browser",
    "scale",
    "bench",
}

# A fresh clone is green or red for everybody: random tests draw from a fixed seed. `make test-all` searches anew
# (`--hypothesis-profile=search`); what it finds is kept beside its test as an `@example`.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("fixed")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Generators of golden references and benchmark helpers are run by hand: they may need other
    software.
    """
    by_hand = {ROOT / "tests/golden", ROOT / "tests/benchmarks"} & set(collection_path.parents)
    if by_hand and collection_path.suffix == ".py" and not collection_path.name.startswith("test_"):
        return True
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test without a kind that of its folder, before tests are chosen by kind.

    Examples on the demonstration data are slow: they read, link and ask it.
    """
    for item in items:
        if isinstance(item, pytest.DoctestItem) and "data/demo" in item.dtest.docstring:
            item.add_marker("slow")
        if not KINDS & {mark.name for mark in item.iter_markers()}:
            folder = item.path.parent.name
            item.add_marker(folder if folder in KINDS else "unit")


DEMO: dict[tuple, object] = {}  # what docstrings' examples read and link of the demonstration data


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Docstrings' examples read and link the demonstration data once for all of them."""
    if not isinstance(item, pytest.DoctestItem) or "data/demo" not in item.dtest.docstring:
        return (yield)
    from learnalign.data import reading
    from learnalign.linking import journeys, teams, windows

    made = ((reading, "read"), (windows, "link"), (journeys, "gap_journeys"))
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (*made, (teams, "team_quarters")):
            patch.setattr(module, name, _once(getattr(module, name)))
        return (yield)


def _once(function: Callable) -> Callable:
    def kept(about: object, *more: object, **settings: object) -> object:
        of = about if isinstance(about, str | Path) else id(about)
        key = (function.__name__, str(of), *more, *sorted(settings.items()))
        if key not in DEMO:
            DEMO[key] = function(about, *more, **settings)
        return DEMO[key]

    return kept


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data sets beside the project; the repository itself holds no real data."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data: ../shared/data is not beside the project")
    return folder


@pytest.fixture(scope="session")
def edition(tmp_path_factory, request):
    """The shipped report, `learnalign run params/northbank.yml`: the first worker that asks makes
    it for all.
    """
    from tests.published import under_a_fixed_key

    from learnalign.runs import run

    base = tmp_path_factory.getbasetemp()
    out = (base.parent if hasattr(request.config, "workerinput") else base) / "edition"
    done = out.with_suffix(".done")
    try:
        out.mkdir()
    except FileExistsError:
        while not done.exists():
            time.sleep(0.5)
    else:
        try:
            run.run(ROOT / "params/northbank.yml", under_a_fixed_key(out))
        finally:
            done.touch()
    (folder,) = (out / "northbank").iterdir()
    return run.Edition(
        folder, folder / "report.html", json.loads((folder / "results.json").read_text("utf-8"))
    )


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A study of the demonstration company of a module's own, where looks may be kept beside the
    data.
    """
    import learnalign as la

    place, key = tmp_path_factory.mktemp("bank") / "demo", shutil.ignore_patterns(".private")
    return la.study(shutil.copytree(ROOT / "data/demo", place, ignore=key))


META = {"title": "Drawn", "as_of": "2024-12-31", "rating_scale": {"min": 0, "max": 100}}


@pytest.fixture(scope="session")
def write_tables():
    """Write data frames as a data set: `write_tables(folder, {"people": frame, …}, as_of=…)`."""

    def write(folder: Path, tables: Mapping[str, pd.DataFrame], **meta: object) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            table.to_csv(folder / f"{name}.csv", index=False)
        (folder / "dataset.yml").write_text(yaml.safe_dump(META | meta), encoding="utf-8")
        return folder

    return write


@pytest.fixture(scope="session")
def study():
    """A study of a small Northbank, for reading only: what is made of it is made once for all."""
    from learnalign import studies
    from northbank import tables

    return studies.study(tables.dataset(tables.northbank(people=400, cycles=4, seed=9)))


@pytest.fixture
def drawn(tmp_path: Path, write_tables):
    """Write tables drawn as text, `-` for empty: `drawn(people="person_id hired_on \\n ana
    2020-01-01")`.
    """

    def draw(*, meta: Mapping[str, object] | None = None, **texts: str) -> Path:
        lines = {
            name: [line.split() for line in text.strip().splitlines()]
            for name, text in texts.items()
        }
        frames = {name: pd.DataFrame(rows, columns=head) for name, (head, *rows) in lines.items()}
        tables = {name: frame.replace("-", "") for name, frame in frames.items()}
        return write_tables(
            tmp_path / f"data{len(list(tmp_path.iterdir()))}", tables, **(meta or {})
        )

    return draw
