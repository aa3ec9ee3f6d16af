from pathlib import Path

import pandas as pd
import pytest

from practicals.common.data.facts import Facts
from practicals.common.errors import RunError
from practicals.common.files import atomic_write, sweep, write_json
from practicals.common.run import Run, find_run, finished_runs


@pytest.fixture
def finished(tmp_path):
    """Return a function that makes a finished run in `tmp_path`."""

    def make():
        run = Run.create(tmp_path, "churn")
        run.write_config("seed: 0\n")
        run.write_environment({"practical": "churn"})
        run.write_metrics({"practical": "churn"})
        return run

    return make


def facts(digest="a" * 64):
    return Facts("real", "file.csv", digest, 10, (), "", "")


def test_the_newest_finished_run_is_meant_by_a_practicals_name(finished, tmp_path, monkeypatch):
    old = finished()
    new = Run.at(tmp_path / "churn" / "99990101T000000Z-ffffff")
    new.write_config("")
    unfinished = Run.at(tmp_path / "churn" / "99990102T000000Z-ffffff")
    assert find_run("churn", tmp_path, ("churn",)) == old
    new.write_metrics({})
    assert find_run("churn", tmp_path, ("churn",)) == new
    assert unfinished not in finished_runs(tmp_path, "churn")
    assert finished_runs(tmp_path, "churn") == [old, new]


def test_searches_and_seeds_are_not_runs(tmp_path):
    for kind in ("tune", "seeds"):
        Run.create(tmp_path, "churn", kind=kind).write_metrics({})
    assert finished_runs(tmp_path, "churn") == []


def test_a_folder_without_metrics_is_refused_and_the_way_to_continue_is_named(finished):
    run = finished()
    run.metrics_path.unlink()
    with pytest.raises(RunError, match=r"has no metrics\.json.*practicals run churn --resume"):
        Run.open(run.folder)
    assert Run.open(run.folder, finished=False) == run


def test_what_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"chrun: is neither a run folder nor .* Did you mean 'churn'\?"):
        find_run("chrun", tmp_path, ("churn",))
    with pytest.raises(RunError, match="is not a run folder"):
        find_run(str(tmp_path), tmp_path, ("churn",))
    with pytest.raises(RunError, match="no finished run"):
        find_run("churn", tmp_path, ("churn",))


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be made"):
        Run.create(tmp_path / "file", "churn")


@pytest.mark.parametrize("content", ["", "[1]", "{", "\x00"])
def test_damaged_metrics_are_one_line(finished, content):
    run = finished()
    run.metrics_path.write_text(content)
    with pytest.raises(RunError, match=r"metrics\.json: (is not valid JSON|holds a list)"):
        run.metrics()


def test_data_that_changed_since_the_run_are_refused(finished):
    run = finished()
    with pytest.raises(RunError, match="does not say which data"):
        run.check_data(facts())
    run.remember_data(facts())
    run.remember_data(facts())
    with pytest.raises(
        RunError, match=r"was made with real data file\.csv \(sha256 aaaaaaaaaaaa\), now .*bbbbbbbbbbbb"
    ):
        run.remember_data(facts("b" * 64))


def test_a_file_is_whole_or_not_there_and_nothing_is_left_behind(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})

    def fail():
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_kill_left_half_written_is_swept_and_nothing_else(tmp_path):
    (tmp_path / "explanations").mkdir()
    half = tmp_path / "explanations" / ".0123abcd.shap_row.json"
    kept = [tmp_path / ".gitignore", tmp_path / "explanations" / "shap_row.json", tmp_path / ".notes.abc"]
    for path in (half, *kept):
        path.write_text("{")
    sweep(tmp_path)
    assert not half.exists()
    assert all(path.exists() for path in kept)


def test_a_number_that_json_does_not_have_is_a_bug_and_not_a_broken_file(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_tables_come_back_with_missing_cells_and_text_as_it_was(finished):
    run = finished()
    run.write_table(run.predictions_path, pd.DataFrame({"id": ["NA", "x"], "prediction": [0.25, None]}))
    again = run.predictions()
    assert list(again["id"]) == ["NA", "x"]
    assert again["prediction"].isna().tolist() == [False, True]


def scored(folder, seed=0):
    run = Run.at(folder)
    run.write_environment({"practical": "churn", "data": {"sha256": "a"}, "split": {"seed": seed}})
    return run


def test_earlier_scorings_are_counted_from_wherever_the_run_is_named(tmp_path, monkeypatch):
    for name, seed in (("20260101T000000Z-a", 0), ("20260102T000000Z-b", 1), ("seeds-20260103T000000Z-c/seed-0", 0)):
        scored(tmp_path / "churn" / name, seed).write_metrics({})
    scored(tmp_path / "churn" / "20260104T000000Z-d")
    monkeypatch.chdir(tmp_path / "churn")
    for name in ("20260104T000000Z-d", "../churn/20260104T000000Z-d", tmp_path / "churn" / "20260104T000000Z-d"):
        run = Run(Path(name))
        run.count_earlier_scorings()
        assert run.environment()["test_scored_before"] == 2


def test_a_folder_of_runs_may_be_a_link_to_one_of_another_name(tmp_path):
    scored(tmp_path / "large disk" / "20260101T000000Z-a").write_metrics({})
    (tmp_path / "churn").symlink_to(tmp_path / "large disk")
    run = scored(tmp_path / "churn" / "20260102T000000Z-b")
    run.count_earlier_scorings()
    assert run.environment()["test_scored_before"] == 1


def test_a_run_that_was_moved_away_from_the_others_stands_alone(tmp_path):
    scored(tmp_path / "churn" / "20260101T000000Z-a").write_metrics({})
    run = scored(tmp_path / "sent by a friend")
    run.count_earlier_scorings()
    assert run.environment()["test_scored_before"] == 0
