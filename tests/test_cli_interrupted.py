"""Ctrl-C at any moment leaves whole files that belong together, and a line that names the command to give again."""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from practicals.common import commands, kit, training
from practicals.common.cli import main
from practicals.common.data import cards, fetch
from practicals.common.data.cards import Card, CardFile
from practicals.common.explain.explanation import Attribution, Explanation, read_explanations
from practicals.common.files import write_text
from practicals.common.run import Run

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def contents(folder: Path) -> dict[str, bytes]:
    """What stands in every file below a folder, hidden ones included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stop_at(monkeypatch: pytest.MonkeyPatch, change: int, stop: BaseException) -> Callable[[], int]:
    """Let `stop` happen where a file would be put in place or removed for the n-th time; return what counts them."""
    count = 0

    def stopping(function: Callable[..., None]) -> Callable[..., None]:
        def change_or_stop(*arguments: Any, **options: Any) -> None:
            nonlocal count
            count += 1
            if count == change:
                raise stop
            function(*arguments, **options)

        return change_or_stop

    monkeypatch.setattr(os, "replace", stopping(os.replace))
    monkeypatch.setattr(Path, "unlink", stopping(Path.unlink))
    return lambda: count


def assert_told(capsys: pytest.CaptureFixture[str], *command: str) -> None:
    """Fail unless the last line on stderr names this command."""
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("interrupted: ") and last.endswith(f": practicals {shlex.join(command)}")


# explain


def explanation(subject: str, method: str = "shap") -> Explanation:
    return Explanation(method, "row", subject, "probability", 0.5, 0.2, (Attribution("Age", "42 years", 0.3),), ())


def write_report(run: Run) -> None:
    """Write a report that says of what row it is, and its plot; in place of the real one, which takes its time."""
    subjects = {name: one.subject for name, one in read_explanations(run).items()}
    for name, subject in subjects.items():
        write_text(run.plots_folder / f"{name}.svg", subject)
    write_text(run.report_path, str(subjects))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with two explanations of row 1, and a lesson that has one of the row that is asked for."""
    made = Run.at(tmp_path / "churn" / "one")
    made.write_config("seed: 0\n")
    made.write_environment({"practical": "churn"})
    made.write_metrics({})
    explanation("1").write(made, "shap_row")
    explanation("1", "lime").write(made, "lime_row")
    write_report(made)
    lesson = SimpleNamespace(
        METHODS=("shap",), explain=lambda model, split, config, row, methods: {"shap_row": explanation(row)}
    )
    config = SimpleNamespace(seed=0, deterministic=False)
    monkeypatch.setattr(commands, "load_lesson", lambda practical: lesson)
    monkeypatch.setattr(commands, "saved_config", lambda run, lesson: config)
    monkeypatch.setattr(commands, "check_asked", lambda *arguments: None)
    monkeypatch.setattr(commands, "load_data", lambda *arguments: None)
    monkeypatch.setattr(commands, "row_to_explain", lambda lesson, run, model, split, options: options.row)
    monkeypatch.setattr(commands, "rebuild_report", write_report)
    monkeypatch.setattr(training, "load_model", lambda path: None)
    monkeypatch.setattr(training, "prepare", lambda *arguments, **options: None)
    return made


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), FULL], ids=["Ctrl-C", "a full disk"])
def test_explanations_and_report_are_both_old_or_both_new(run, stop, monkeypatch, capsys):
    command = ["explain", str(run.folder), "--row", "2"]
    before = contents(run.folder)
    with monkeypatch.context() as patch:
        changes = stop_at(patch, -1, stop)
        assert main(command) == 0
        total = changes()
    after = contents(run.folder)
    assert total >= 5
    assert after["report.html"] == b"{'shap_row': '2'}"
    assert after.keys() == before.keys() - {"explanations/lime_row.json", "plots/lime_row.svg"}
    for change in range(1, total + 1):
        for path in set(after) | set(before):
            (run.folder / path).unlink(missing_ok=True)
            if path in before:
                (run.folder / path).write_bytes(before[path])
        with monkeypatch.context() as patch:
            stop_at(patch, change, stop)
            capsys.readouterr()
            assert main(command) == (130 if isinstance(stop, KeyboardInterrupt) else 2)
        assert contents(run.folder) == before, change
        if isinstance(stop, KeyboardInterrupt):
            assert_told(capsys, *command)
    assert main(command) == 0
    assert contents(run.folder) == after


def test_an_explanation_that_is_interrupted_while_it_is_made_changes_nothing(run, monkeypatch, capsys):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    before = contents(run.folder)
    for module, name in ((commands, "load_lesson"), (training, "load_model"), (commands, "load_data")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, interrupted)
            assert main(["explain", str(run.folder)]) == 130
        assert_told(capsys, "explain", str(run.folder))
    assert contents(run.folder) == before


# data and kit


@pytest.fixture
def two_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Two data sets that "come" from an address, and what their files hold. Nothing else is in the catalog."""
    texts = {name: name.encode() * 50_000 for name in ("first", "second")}

    def card(name: str) -> Card:
        file = CardFile(
            path=f"{name}/{name}.csv",
            bytes=len(texts[name]),
            sha256=(hashlib.sha256(texts[name]).hexdigest(),),
            urls=(f"http://127.0.0.1:9/{name}",),
        )
        rest = dict.fromkeys(("title", "about", "licence", "terms", "citation", "by_hand"), "toy")
        return Card(name=name, files=(file,), columns={}, rows=1, **rest)

    def download(url: str, out: Any, _: object) -> None:
        text = texts[url.rpartition("/")[2]]
        out.write(text[: len(text) // 2])
        out.write(text[len(text) // 2 :])

    monkeypatch.setattr(cards, "load_card", card)
    monkeypatch.setattr("practicals.common.sharing.load_card", card)
    monkeypatch.setattr(commands, "CATALOG", {"toy": SimpleNamespace(cards=tuple(texts))})
    monkeypatch.setattr("pooch.HTTPDownloader", lambda **options: download)
    return texts


def stop_second(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, interrupted when it is called for the second data set."""

    def called(*arguments: Any, **options: Any) -> Any:
        if any("second" in str(argument) for argument in arguments):
            raise KeyboardInterrupt
        return function(*arguments, **options)

    return called


def stop_in_the_middle(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `_Sink.write`, interrupted after half of the second data set."""

    def write(self: Any, chunk: bytes) -> Any:
        if chunk.startswith(b"second") and self.size:
            raise KeyboardInterrupt
        return function(self, chunk)

    return write


MOMENTS = {
    "as it begins": (fetch, "_fetch", stop_second),
    "in its middle": (fetch._Sink, "write", stop_in_the_middle),
    "as it is checked": (fetch, "inspect", stop_second),
    "as it gets its name": (os, "replace", stop_second),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_fetch_keeps_what_has_arrived_and_no_half_file(
    moment, two_cards, own_cache, monkeypatch, capsys
):
    owner, name, stopping = MOMENTS[moment]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stopping(getattr(owner, name)))
        assert main(["data"]) == 130
    assert contents(own_cache) == {"first/first.csv": two_cards["first"]}
    assert_told(capsys, "data")
    assert main(["data"]) == 0
    assert contents(own_cache) == {f"{name}/{name}.csv": text for name, text in two_cards.items()}
    assert "fetching first.csv" not in capsys.readouterr().err


def test_a_class_folder_that_was_interrupted_is_finished_by_the_same_command(two_cards, tmp_path, monkeypatch, capsys):
    command = ["data", "--all", "--to", str(tmp_path / "class")]
    assert main(["data"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop_second(os.replace))
        assert main(command) == 130
    assert contents(tmp_path / "class") == {"first/first.csv": two_cards["first"]}
    assert_told(capsys, *command)
    assert main(command) == 0
    assert set(contents(tmp_path / "class")) == {"first/first.csv", "second/second.csv", "TERMS.md"}


def test_a_kit_is_the_old_one_or_the_new_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kit, "share_data", lambda *arguments, **options: {"data": [], "left_out": [], "missing": []})
    monkeypatch.setattr(kit, "_collect_weights", lambda folder: {})
    command = ["kit", str(tmp_path / "kit")]
    for wheel in ("old", "new"):
        monkeypatch.setattr(
            kit, "collect_wheels", lambda checkout, folder, name=wheel: write_wheel(folder / f"{name}.whl")
        )
        before = contents(tmp_path)
        for change in range(1, 10):
            with monkeypatch.context() as patch:
                changes = stop_at(patch, change, KeyboardInterrupt())
                code = main(command)
            if changes() < change:
                break
            assert (code, contents(tmp_path)) == (130, before), change
            assert_told(capsys, *command)
        assert code == 0
        assert set(contents(tmp_path)) == {f"kit/wheels/{wheel}.whl", "kit/kit.json"}


def write_wheel(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
