"""The page of one run: complete, honest, safe, and the same every time."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fake_runs import HOSTILE, write_run

from practicals.common.errors import RunError
from practicals.common.explain import Explanation
from practicals.common.files import write_json
from practicals.common.report import binary
from practicals.common.report.explained import explanations
from practicals.common.report.material import read_material
from practicals.common.report.page import build_report
from practicals.common.report.svg import INK, draw, inline, new_figure
from practicals.common.report.words import duration, number, signed, verdict_sentence, with_code
from practicals.common.run import Run

REPORT = Path(build_report.__code__.co_filename).parent
SECTION_IDS = [
    "ladder", "data", "architecture", "scores", "curves", "ranking", "decisions", "calibration", "threshold",
    "explanations", "settings", "environment", "reproduce",
]  # fmt: skip
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """What a browser would make of the page, as far as the tests need it."""

    def __init__(self, html: str) -> None:
        """Parse `html`."""
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.headings: list[tuple[int, str]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "tags are nested wrongly"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)
            if self.open and re.fullmatch(r"h[1-6]", self.open[-1]):
                self.headings.append((int(self.open[-1][1]), data))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a finished run with its report."""
    run = write_run(tmp_path_factory.mktemp("runs") / "good")
    build_report(run)
    return run


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run whose data, names and settings try to break the page."""
    run = write_run(tmp_path_factory.mktemp("runs") / "hostile", kind="own", text=HOSTILE)
    build_report(run)
    return run


def without_plots(run: Run) -> Run:
    """Remove from a run what plots are drawn from: building its page then takes no time."""
    for path in (run.summary_path, run.history_path, run.predictions_path, *run.explanations_folder.glob("*")):
        path.unlink()
    return run


def parsed(run: Run) -> Page:
    """Return the parsed report of a run."""
    return Page(run.report_path.read_text(encoding="utf-8"))


def test_every_section_is_there_in_order_and_in_the_contents(good: Run) -> None:
    page = parsed(good)
    assert [name for name in page.ids if name in SECTION_IDS] == SECTION_IDS
    links = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert links == [f"#{name}" for name in SECTION_IDS]


def test_tags_close_and_headings_never_skip_a_level(good: Run) -> None:
    page = parsed(good)
    assert page.open == []
    levels = [level for level, _ in page.headings]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("which", ["good", "hostile"])
def test_the_page_loads_nothing_from_outside_and_runs_no_script(which: str, request: pytest.FixtureRequest) -> None:
    page = parsed(request.getfixturevalue(which))
    assert "script" not in page.tags
    assert not {"img", "iframe", "object", "embed"} & set(page.tags)
    for _, name, value in page.attributes:
        assert not name.startswith("on"), "an event handler"
        if name in ("src", "href", "action", "xlink:href"):
            assert value.startswith("#") or value == "data:,"
    html = request.getfixturevalue(which).report_path.read_text(encoding="utf-8")
    assert not re.search(r"@import|url\((?!#)", html)


def test_hostile_text_is_shown_as_text_everywhere(hostile: Run) -> None:
    html = hostile.report_path.read_text(encoding="utf-8")
    assert "<script" not in html
    page = Page(html)
    # Title, class, column, cell, note, layer, sentence, setting, command, licence: wherever text can come from.
    assert page.text.count("<script>alert('x')</script>") > 20
    assert page.open == []


@pytest.mark.parametrize("which", ["good", "hostile"])
def test_ids_are_unique_and_every_reference_has_its_target(which: str, request: pytest.FixtureRequest) -> None:
    page = parsed(request.getfixturevalue(which))
    assert len(page.ids) == len(set(page.ids))
    references = {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")}
    clips = {match for _, _, value in page.attributes for match in re.findall(r"url\(#([^)]+)\)", value)}
    assert len(references) > 50
    assert references | clips <= set(page.ids)


def test_every_plot_has_a_label_a_reading_and_a_file(good: Run) -> None:
    page = parsed(good)
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    files = {path.stem for path in good.plots_folder.glob("*.svg")}
    assert {"roc", "precision_recall", "calibration", "threshold", "ladder", "curve_0", "shap_row"} <= files
    assert len(labels) == len(files) + 1  # the interval beside the verdict is no plot
    assert all(len(label) > 40 for label in labels)
    assert page.text.count("How to read it.") == len(files) + 1  # and the confusion matrix


def test_plots_on_the_page_take_their_colours_from_the_theme(good: Run) -> None:
    html = good.report_path.read_text(encoding="utf-8")
    assert INK not in html
    assert "currentColor" in html
    assert INK in (good.plots_folder / "roc.svg").read_text(encoding="utf-8")


def test_the_same_folder_gives_the_same_bytes(good: Run) -> None:
    before = good.report_path.read_bytes(), (good.plots_folder / "roc.svg").read_bytes()
    build_report(good)
    assert (good.report_path.read_bytes(), (good.plots_folder / "roc.svg").read_bytes()) == before


def test_the_verdict_is_in_plain_words(tmp_path: Path) -> None:
    said = {}
    for result in ("better", "worse", "no clear difference"):
        run = without_plots(write_run(tmp_path / result.replace(" ", "_"), result=result))
        build_report(run)
        said[result] = parsed(run).text
    worse = "The network is worse: on the test part it loses to gradient boosting by 0.0121 ROC AUC"
    assert worse in said["worse"]
    assert "\N{MINUS SIGN}0.0204 to \N{MINUS SIGN}0.0033" in said["worse"]
    assert "The network is better than gradient boosting" in said["better"]
    assert "There is no clear difference between the network and gradient boosting" in said["no clear difference"]
    assert "The network is better" not in said["worse"] + said["no clear difference"]


def test_a_lower_error_is_better_and_stands_on_the_right() -> None:
    metrics = {
        "primary": {"metric": "brier", "direction": "min"},
        "verdict": {"against": "linear", "result": "better", "difference": -0.01, "interval_95": [-0.02, -0.005]},
    }
    assert "0.0100 lower" in verdict_sentence(metrics)
    from practicals.common.report.page import _interval

    places = _interval(metrics)
    assert 50 < places["low"] < places["middle"] < places["high"] < 100


@pytest.mark.parametrize(
    ("kind", "banner"), [("sample", "Built-in sample."), ("own", "Your own file."), ("real", None)]
)
def test_the_banner_says_when_data_are_not_the_published_ones(tmp_path: Path, kind: str, banner: str | None) -> None:
    run = without_plots(write_run(tmp_path / "run", kind=kind))
    build_report(run)
    text = parsed(run).text
    assert [words for words in ("Built-in sample.", "Your own file.") if words in text] == ([banner] if banner else [])


def test_confusion_counts_and_words_by_hand() -> None:
    truth = np.array([1, 1, 1, 0, 0, 0, 0])
    decision = np.array([1, 1, 0, 1, 0, 0, 0])
    counts = binary.confusion(truth, decision)
    assert counts == {"found": 2, "missed": 1, "false_alarms": 1, "left_alone": 3}
    first, second = binary.confusion_words({**counts, "found": 271, "missed": 136}, "stays", "leaves")
    assert first == "Of 407 test rows that were “leaves”, 271 were found and 136 missed."
    assert second == "Of 4 that were “stays”, 1 caused a false alarm, so of 272 alarms 271 were right."


def test_the_words_count_the_test_rows_alone(good: Run) -> None:
    table = good.predictions()
    rows = table[table["part"] == "test"]
    positives = int(rows["truth"].sum())
    found = int((rows["truth"] * rows["decision"]).sum())
    expected = f"Of {positives} test rows that were “leaves”, {found} were found and {positives - found} missed."
    assert expected in parsed(good).text


def test_calibration_bins_by_hand() -> None:
    probability = np.array([0.02, 0.04, 0.95, 1.0])
    predicted, observed, low, high = binary.calibration_bins(np.array([0.0, 1.0, 1.0, 1.0]), probability)
    assert predicted == pytest.approx([0.03, 0.975])
    assert observed == pytest.approx([0.5, 1.0])
    assert np.all((low <= observed) & (observed <= high))
    assert high[1] == pytest.approx(1.0)
    # Wilson's interval for 2 of 2 begins at 1 / (1 + 1.96² / 2).
    assert low[1] == pytest.approx(1 / (1 + 1.96**2 / 2))


def test_scores_stand_beside_all_baselines_and_the_best_is_marked(good: Run) -> None:
    html = good.report_path.read_text(encoding="utf-8")
    scores = html[html.index('<section id="scores"') : html.index('<section id="curves"')]
    first = re.search(r"ROC AUC ★.*?</tr>", scores, re.DOTALL)
    assert first is not None
    cells = re.findall(r'<td class="([^"]*)">([^<]*)<', first[0])
    assert [value for _, value in cells] == ["0.8812", "0.8702", "0.8699", "0.5000", "0.7655", "0.8633"]
    assert [value for kind, value in cells if "best" in kind] == ["0.8699"]
    for label in ("PR AUC", "Accuracy", "Precision", "Recall", "F1", "Brier score", "Calibration error"):
        assert label in scores


def test_the_chosen_epoch_is_counted_as_people_count(good: Run) -> None:
    assert good.summary()["fit"]["best_epoch"] == 26
    assert "Training ran 42 epochs; the weights of epoch 27 were kept" in parsed(good).text


def test_a_failed_check_is_called_failed(good: Run) -> None:
    text = parsed(good).text
    assert "✗ failed local fit : 0.31 (limit 0.50)" in text
    assert "✓ passed rank correlation" in text


def test_what_is_absent_is_left_out_and_what_is_there_stays(tmp_path: Path) -> None:
    run = without_plots(write_run(tmp_path / "run"))
    build_report(run)
    assert [name for name in parsed(run).ids if name in SECTION_IDS] == ["scores", "environment", "reproduce"]


def test_missing_parts_of_the_summary_and_of_the_scores_do_not_stop_the_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    summary = run.summary()
    for step in summary["ladder"]:
        step.update(validation=None, test=None)
    del summary["threshold"], summary["data"]["missing"], summary["data"]["class_counts"], summary["data"]["duplicates"]
    summary["data"]["head"] = {"columns": ["a"], "rows": []}
    run.write_summary(summary)
    metrics = run.metrics()
    metrics["test"]["f1"] = None
    metrics["seconds"] = {}
    run.write_metrics(metrics)
    table = run.predictions()
    table.loc[table.index[::7], "prediction"] = np.nan
    run.write_table(run.predictions_path, table)
    build_report(run)
    page = parsed(run)
    assert [name for name in page.ids if name in SECTION_IDS] == [name for name in SECTION_IDS if name != "threshold"]
    assert "nan" not in page.text.lower()
    assert "Duplicated rows" not in page.text


def test_a_task_without_sections_of_its_own_gets_the_common_ones(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    run.write_summary({**run.summary(), "task": "something new"})
    build_report(run)
    shown = [name for name in parsed(run).ids if name in SECTION_IDS]
    assert shown == [name for name in SECTION_IDS if name not in ("ranking", "decisions", "calibration", "threshold")]


def test_the_report_can_be_built_just_before_the_run_is_called_finished(tmp_path: Path) -> None:
    run = without_plots(write_run(tmp_path / "run"))
    metrics = run.metrics()
    build_report(run)
    expected = run.report_path.read_bytes()
    run.metrics_path.unlink()
    assert build_report(run, metrics).read_bytes() == expected
    with pytest.raises(RunError, match=r"metrics\.json: is missing"):
        build_report(run)


def test_a_damaged_file_is_one_line_and_keeps_the_old_report(tmp_path: Path) -> None:
    run = without_plots(write_run(tmp_path / "run"))
    build_report(run)
    before = run.report_path.read_bytes()
    (run.explanations_folder / "lime_row.json").write_text("[1, 2", encoding="utf-8")
    with pytest.raises(RunError, match="lime_row"):
        build_report(run)
    assert run.report_path.read_bytes() == before


def test_a_category_has_no_shade_and_is_still_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    path = run.explanations_folder / "shap_global.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["swarm"]["shades"] = [[None] * len(row) for row in content["swarm"]["shades"]]
    without_plots(run)
    write_json(path, content)
    build_report(run)
    assert (run.plots_folder / "shap_global_beeswarm.svg").stat().st_size > 1000


def test_an_explanation_of_some_rows_says_of_how_many(good: Run) -> None:
    some = replace(Explanation.read(good, "shap_global"), settings={"rows": 1200})
    section = explanations(replace(read_material(good), explanations={"shap_global": some}))
    assert section is not None
    assert section.values["parts"][0]["title"] == "SHAP: 1,200 rows together"


def test_inlining_keeps_two_drawings_apart() -> None:
    svg = draw("one", lambda: new_figure()[0])
    first, second = (set(re.findall(r'\bid="([^"]+)"', inline(svg, name, "label"))) for name in ("a", "b"))
    assert first
    assert not first & second
    assert "Date" not in svg
    assert "http" not in inline(svg, "a", "label")


def test_numbers_in_words() -> None:
    assert number(None) == number(float("nan")) == signed(None) == duration(None) == "\N{EN DASH}"
    assert (number(0.5), signed(-0.25, 2), signed(0.25, 2)) == ("0.5000", "\N{MINUS SIGN}0.25", "+0.25")
    assert (number(-0.00001), number(-0.2, 0)) == ("0.0000", "0"), "what rounds to nothing has no sign"
    assert (duration(0.44), duration(9.97), duration(42.4)) == ("0.4 s", "10 s", "42 s")
    assert (duration(59.7), duration(185), duration(7500)) == ("1 min 00 s", "3 min 05 s", "2 h 05 min")
    assert with_code("`a<b` & c") == "<code>a&lt;b</code> &amp; c"


def test_drawing_has_no_global_state() -> None:
    for path in REPORT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert "matplotlib.pyplot" not in names, path
