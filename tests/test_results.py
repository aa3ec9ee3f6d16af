"""The README's table of results says what finished runs have measured, and nothing else."""

from pathlib import Path

import pytest
import yaml
from fake_runs import write_run
from results import BEGIN, END, MEASURED, README, fold, in_readme, plus_minus, table

from practicals.common.catalog import CATALOG
from practicals.common.run import Run


@pytest.fixture
def measured():
    return yaml.safe_load(MEASURED.read_text(encoding="utf-8"))


def shown() -> str:
    return README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def test_the_table_in_the_readme_is_that_of_the_measured_runs(measured):
    assert shown() == table({name: one for name, one in measured.items() if "network" in one})


def test_a_number_that_was_changed_by_hand_is_noticed(measured):
    some = {name: one for name, one in measured.items() if "network" in one}
    name = next(iter(some))
    some[name]["network"]["mean"] += 0.01
    assert table(some) != shown()


def test_every_practical_says_what_others_have_published(measured):
    assert list(measured) == list(CATALOG)
    assert all(one["published"].strip() for one in measured.values())


def test_runs_are_folded_into_mean_and_deviation_beside_the_best_baseline(tmp_path: Path):
    runs = [
        write_run(tmp_path / f"seed-{seed}", test=test, seed=seed, split_seed=seed, result=result)
        for seed, (test, result) in enumerate(((0.86, "better"), (0.88, "no clear difference"), (0.87, "better")))
    ]
    found = fold(runs)
    assert found["network"] == {"mean": 0.87, "deviation": 0.01}
    assert (found["baseline"], found["baseline_score"]["mean"]) == ("gradient boosting", 0.8633)
    assert (found["runs"], found["better"], found["worse"]) == (3, 2, 0)
    assert plus_minus(found["network"]) == "0.8700 ± 0.0100"


def test_runs_of_a_sample_or_of_other_settings_are_no_result(tmp_path: Path):
    first = write_run(tmp_path / "first")
    for other in (
        write_run(tmp_path / "sample", seed=1, kind="sample"),
        write_run(tmp_path / "other", seed=1, changes="epochs: 7\n"),
        write_run(tmp_path / "data", seed=1, sha256="cd" * 32),
    ):
        with pytest.raises(SystemExit, match="differ in settings or data"):
            fold([first, Run(other.folder)])


def test_a_run_that_is_there_twice_does_not_count_twice(tmp_path: Path):
    runs = [write_run(tmp_path / name) for name in ("one", "another")]
    with pytest.raises(SystemExit, match="count twice"):
        fold(runs)


def test_only_the_table_is_written_into_the_readme():
    text = f"before\n{BEGIN}old\n{END}after\n"
    assert in_readme(text, "| new |\n") == f"before\n{BEGIN}| new |\n{END}after\n"
