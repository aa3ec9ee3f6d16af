"""The same command twice at the same time: both end as if each had been alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_runs import write_run

from practicals.common.run import Run, finished_runs

ROOT = Path(__file__).parents[1]
TINY = ("--data", "sample", "--smoke", "--set", "epochs=2", "--quiet")


def child(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )


def twice(*arguments: object) -> list[subprocess.CompletedProcess[str]]:
    with ThreadPoolExecutor(2) as two:
        return list(two.map(lambda _: child(*arguments), range(2)))


def practicals_twice(*arguments: object) -> list[subprocess.CompletedProcess[str]]:
    done = twice("-m", "practicals", *arguments)
    assert [one.returncode for one in done] == [0, 0], "\n".join(one.stderr for one in done)
    return done


def temporary_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if re.match(r"\.[0-9a-f]{8}\.", path.name)]


PICTURES = """
import numpy as np
from practicals.common.data.cards import load_card
from practicals.common.data.fetch import locate
from practicals.common.data.pictures import read_pictures
found = read_pictures(
    locate(load_card("cats_dogs"), "sample"), size=16, resize=lambda pixels: np.resize(pixels, (16, 16, 3))
)
print(found.store.read(np.arange(len(found.files))).sum(dtype=np.int64), len(found.files))
"""


def test_two_that_fill_the_cache_with_pictures_at_once_read_the_same(own_cache: Path) -> None:
    first, second = twice("-c", PICTURES)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout == second.stdout != ""
    again = child("-c", PICTURES)
    assert again.stdout == first.stdout
    assert temporary_files(own_cache / "pictures") == []
    assert len([path for path in (own_cache / "pictures").iterdir() if path.is_dir()]) == 1


def test_two_comparisons_at_once_leave_one_whole_page(tmp_path: Path) -> None:
    write_run(tmp_path / "churn" / "20260101T000000Z-aaaaaa")
    practicals_twice("compare", "--runs", tmp_path)
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")
    assert temporary_files(tmp_path) == []


@pytest.mark.slow(reason="trains twice")
def test_two_runs_at_once_each_have_a_folder_and_the_same_scores(tmp_path: Path) -> None:
    done = practicals_twice("run", "churn", *TINY, "--json", "--runs", tmp_path)
    told = [json.loads(one.stdout) for one in done]
    runs = finished_runs(tmp_path, "churn")
    assert {str(run.folder) for run in runs} == {one["run"] for one in told} and len(runs) == 2
    assert told[0]["test"] == told[1]["test"]
    first, second = (run.predictions_path.read_text() for run in runs)
    assert first == second


@pytest.mark.slow(reason="trains twice, and explains")
def test_two_explanations_of_one_run_at_once_leave_it_whole(tmp_path: Path) -> None:
    assert child("-m", "practicals", "run", "churn", *TINY, "--runs", tmp_path).returncode == 0
    (run,) = finished_runs(tmp_path, "churn")
    row = run.predictions()["id"].iloc[0]
    practicals_twice("explain", run.folder, "--row", row, "--quiet")
    assert child("-m", "practicals", "report", run.folder).returncode == 0
    assert temporary_files(tmp_path) == []


@pytest.mark.slow(reason="searches twice")
def test_two_searches_at_once_each_have_their_trials(tmp_path: Path) -> None:
    done = practicals_twice("tune", "churn", "--trials", 2, *TINY, "--json", "--runs", tmp_path)
    told = [json.loads(one.stdout) for one in done]
    assert told[0]["search"] != told[1]["search"]
    boards = [[(trial["trial"], trial["score"]) for trial in one["leaderboard"]] for one in told]
    assert len(boards[0]) == 2 and boards[0] == boards[1]
    assert len(finished_runs(tmp_path, "churn")) == 2


@pytest.mark.slow(reason="trains, and is killed")
def test_of_two_that_continue_one_run_at_once_the_folder_ends_whole(tmp_path: Path) -> None:
    killed = child(
        ROOT / "tests" / "killed_run.py", "run", "churn", *TINY[:-3], "--set", "epochs=5", "--runs", tmp_path
    )
    assert killed.returncode < 0, killed.stderr
    (folder,) = (tmp_path / "churn").iterdir()
    done = twice("-m", "practicals", "run", "churn", "--resume", folder, "--quiet")
    codes = sorted(one.returncode for one in done)
    assert codes in ([0, 0], [0, 2]), "\n".join(one.stderr for one in done)
    run = Run(folder)
    assert list(run.history()["epoch"]) == list(range(run.metrics()["epochs"]))
    assert set(run.predictions()["part"]) == {"validation", "test"}


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")
def test_two_that_make_the_same_class_folder_at_once_leave_whole_files(
    tmp_path: Path, real_data: Callable[[str], Path]
) -> None:
    whole = real_data("churn/Churn_Modelling.csv")
    practicals_twice("data", "churn", "--to", tmp_path / "class")
    copy = next((tmp_path / "class").rglob(whole.name))
    assert copy.read_bytes() == whole.read_bytes()
    assert temporary_files(tmp_path) == []
