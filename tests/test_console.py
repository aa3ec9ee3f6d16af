"""What is said on stderr, and results as text: neither lets names and cells of the user's steer the terminal."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from fake_runs import write_run

from practicals.common import console, environment
from practicals.common.explain import Explanation
from practicals.common.run import Scores
from practicals.common.text import explanation_text, scores_table

STEERS = "red\x9b31m \x1b[2J\u202egnp.exe\r"


@pytest.mark.parametrize("tell", [console.say, console.warn])
def test_nothing_that_is_said_steers_the_terminal(tell: Any, capsys: Any) -> None:
    tell(f"column '{STEERS}'\nsecond line: 3\xa0MB, \u6570\u636e")
    first, second = capsys.readouterr().err.splitlines()
    assert first == "column 'red?31m ?[2J?gnp.exe '"
    assert second == "second line: 3 MB, \u6570\u636e"


def test_quiet_hides_what_is_said_and_no_warning(capsys: Any) -> None:
    console.set_quiet(True)
    console.say("epoch 1")
    console.warn("3 rows were left out")
    assert capsys.readouterr().err == "3 rows were left out\n"


def test_what_libraries_write_to_stderr_is_shown_only_with_an_error(capfd: Any) -> None:
    with console.quiet_native_stderr():
        os.write(2, b"starting up\n")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError), console.quiet_native_stderr():
        os.write(2, b"no such symbol\n")
        raise ImportError
    assert capfd.readouterr().err == "no such symbol\n"


def test_columns_and_categories_of_a_table_do_not_steer_the_terminal(tmp_path: Path) -> None:
    plain = Explanation.read(write_run(tmp_path), "shap_row")
    first, *rest = plain.attributions
    steering = dataclasses.replace(first, feature=f"A{STEERS}", value_text=STEERS)
    one = dataclasses.replace(plain, attributions=(steering, *rest), subject=STEERS, unit=STEERS)
    text = explanation_text(one)
    assert all(line.isprintable() for line in text.splitlines())
    assert len(text.splitlines()) == len(explanation_text(plain).splitlines())


def test_an_opponent_that_is_named_after_a_column_does_not_steer_the_terminal() -> None:
    scores = Scores({}, {}, {"rmse": 1.0}, {f"trees on log {STEERS}": {"rmse": 2.0}}, "rmse", "min", {}, 1, 1.0, "USD")
    lines = scores_table(scores).splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_a_checkout_on_a_machine_without_git_has_no_commit(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "PACKAGE", tmp_path / "practicals")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment._commit() == ""
