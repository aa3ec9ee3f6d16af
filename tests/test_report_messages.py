"""The sections about messages: counts by hand, text stays text, and every script has its place."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_runs import write_run
from sklearn.metrics import precision_recall_curve
from test_report import Page

from practicals.common.explain import Attribution, Check, Explanation
from practicals.common.explain.explanation import MessageTrace
from practicals.common.report import message_labels, messages
from practicals.common.report.explained import explanations
from practicals.common.report.material import Material, Section, read_material
from practicals.common.report.message_curves import MOST_WORDS, reading_curve
from practicals.common.report.message_text import LONGEST, excerpt, printable, visible
from practicals.common.report.page import build_report
from practicals.common.report.templates import HERE, page_environment
from practicals.common.run import Run
from practicals.common.text import explanation_text

SCRIPT = "<script>alert(1)</script>"
HEBREW = "שלום! זכית בפרס של 5000 ₪, שלח WIN אל 85233"
HIDDEN = "fr\u200bee \u200b\u200b \u202egnp.exe"
ENDLESS = "www." + "very-long-address" * 30 + ".example"
PRIZE = "Congratulations! Your number has won a £2000 prize. Call 09066 123456 now to claim, only 18+ may win."
IDS = ["reading", "confusion", "blocking", "precision_recall", "calibration", "lengths", "wrong"]


def spans_of(text: str) -> list[list[int]]:
    return [[found.start(), found.end()] for found in re.finditer(r"\w+|[^\w\s]", text)]


def read(text: str, *, id_: int = 1, truth: str = "spam") -> dict[str, Any]:
    """Return a message of the summary's `reading`, whose probability climbs with every word but the third."""
    spans = spans_of(text)
    steps = np.where(np.arange(len(spans)) == 2, -0.8, 1.0)
    values = 1 / (1 + np.exp(3 - np.concatenate([[0.0], np.cumsum(steps)])))
    return {"id": id_, "text": text, "truth": truth, "spans": spans, "probability": values.tolist()}


def explained(text: str, *, method: str = "shap", failed: int = 0, most: float = 0.4) -> Explanation:
    """Return an explanation of a message whose words count less and less, every third against the label."""
    spans = spans_of(text)
    worth = most * 0.8 ** np.arange(len(spans)) * np.where(np.arange(len(spans)) % 3 == 2, -1, 1)
    return Explanation(
        method=method,
        scope="row",
        subject="17",
        unit="probability",
        prediction=0.98,
        base_value=0.13,
        attributions=tuple(
            Attribution(text[start:stop], "" if number else "1st word", float(value))
            for number, ((start, stop), value) in enumerate(zip(spans, worth, strict=True))
        ),
        checks=tuple(
            Check(name, 0.3, 0.5, number >= failed, f"About {name}.") for number, name in enumerate(("removal", "fit"))
        ),
        message=MessageTrace(text, tuple((start, stop) for start, stop in spans), "spam", "spam"),
    )


def everywhere() -> Explanation:
    words = {"claim": (0.31, 9), "won": (0.22, 12), "ok": (-0.11, 40), "txt": (0.09, 21), "later": (-0.04, 17)}
    return Explanation(
        method="shap",
        scope="global",
        subject="",
        unit="probability",
        prediction=0.14,
        base_value=0.1,
        attributions=tuple(Attribution(word, "", worth) for word, (worth, _) in words.items()),
        checks=(),
        settings={"messages": 200},
        message=MessageTrace("", (), "spam", "", tuple(count for _, count in words.values())),
    )


def blocking_row(name: str, ham_blocked: int, interval: list[float], spam_blocked: int) -> dict[str, Any]:
    row = {"name": name, "ham": 257, "ham_blocked": ham_blocked, "ham_interval": interval}
    return {**row, "spam": 43, "spam_blocked": spam_blocked}


def spam_run(folder: Path, *, classes: tuple[str, str] = ("ham", "spam"), text: str = PRIZE) -> Run:
    """Write a finished run folder of a lesson about messages, with everything that its report can show."""
    run = write_run(folder)
    for path in run.explanations_folder.glob("*"):
        path.unlink()
    generator = np.random.default_rng(3)
    label = (np.arange(400) % 7 == 0).astype(int)
    probability = 1 / (1 + np.exp(-np.where(label, 4.5, -5.0) - 2.2 * generator.standard_normal(400)))
    other = np.clip(probability + 0.2 * generator.standard_normal(400), 0, 1)
    names = np.array(classes, dtype=object)
    run.write_table(
        run.predictions_path,
        pd.DataFrame(
            {
                "id": np.arange(1, 401),
                "part": ["validation"] * 100 + ["test"] * 300,
                "truth": names[label],
                "prediction": names[(probability >= 0.5).astype(int)],
                "probability": probability,
                "blocked": (probability >= 0.93).astype(int),
            }
        ),
    )
    precision, recall, _ = precision_recall_curve(label[100:], other[100:])
    edges = np.linspace(0, 200, 21)
    length = {classes[0]: generator.gamma(2, 30, 800), classes[1]: np.clip(generator.normal(145, 20, 120), 5, 200)}
    counts = {"roc_auc": 0.99, "mcc": 0.95, "ham_blocked": 0.004, "spam_blocked": 0.86}
    good, looked_for = classes
    padding = [{"text": "0", "kind": "padding"}] * 90
    parts = {
        "task": "messages",
        "classes": list(classes),
        "data": {
            "things": "messages",
            "rows": 1320,
            "parts": {"train": 920, "validation": 100, "test": 300},
            "class_counts": {
                part: {good: rows - rows // 7, looked_for: rows // 7}
                for part, rows in (("train", 920), ("validation", 100), ("test", 300))
            },
            "notes": ["403 messages are exact repeats; equal messages stay in one part."],
        },
        "lengths": {
            "unit": "characters",
            "edges": edges.tolist(),
            "counts": {
                name: np.histogram(np.minimum(values, 200), edges)[0].tolist() for name, values in length.items()
            },
            "median": {good: 52.0, looked_for: 149.0},
        },
        "steps": {
            "message": text,
            "steps": [
                {"name": "Cleaned", "text": text.lower(), "sentence": "Case and digits: `call` and `CALL` are one."},
                {"name": "Cut", "tokens": ["congratulations", "!", {"text": "zyx", "kind": "unknown"}], "sentence": ""},
                {
                    "name": "Numbered",
                    "tokens": [*padding, {"text": "517"}, {"text": "1", "kind": "unknown"}],
                    "sentence": "Filled up in front.",
                },
            ],
        },
        "reading": [
            read(text, id_=12, truth=looked_for),
            read(HEBREW, id_=77, truth=looked_for),
            read("Ok, see you later. " + "I will bring the tickets and the bread. " * 6, id_=104, truth=good),
            read("Ok", id_=9, truth=good),
        ],
        "threshold": {
            "value": 0.93,
            "sentence": "From 0.930 on a message is blocked. Of the 85 “ham” validation messages, none reach that.",
            "ham": 85,
            "allowed": 0,
        },
        "blocking": {
            "rows": [
                blocking_row("network", 1, [0.0001, 0.0215], 38),
                blocking_row("naive Bayes", 0, [0.0, 0.0142], 30),
                blocking_row("words and characters, linear SVM", 2, [0.0009, 0.0278], 37),
            ]
        },
        "wrong": [
            {"id": "311", "text": text, "truth": good, "prediction": looked_for, "probability": 0.9993},
            {"id": "12", "text": ENDLESS, "truth": good, "prediction": looked_for, "probability": 0.71},
            {"id": "90", "text": HEBREW, "truth": looked_for, "prediction": good, "probability": 0.98},
            {"id": "91", "text": "", "truth": looked_for, "prediction": good, "probability": 0.9},
            {"id": "92", "text": "x " * 2000, "truth": looked_for, "prediction": good, "probability": 0.8},
            {"id": "93", "text": HIDDEN, "truth": looked_for, "prediction": good, "probability": 0.6},
        ],
        "baseline_curves": {
            "words and characters, linear SVM": {"pr": {"precision": precision.tolist(), "recall": recall.tolist()}}
        },
    }  # fmt: skip
    summary = {key: value for key, value in run.summary().items() if key not in ("imbalance",)}
    run.write_summary({**summary, **parts})
    run.write_metrics(
        {
            **run.metrics(),
            "practical": "sms_spam",
            **dict.fromkeys(("train", "validation", "test"), counts),
            "baselines": {"majority": counts, "words and characters, linear SVM": counts},
            "primary": {"metric": "mcc", "direction": "max"},
            "verdict": {
                "against": "words and characters, linear SVM", "result": "no clear difference",
                "difference": 0.006, "interval_95": [-0.004, 0.019],
            },
        }
    )  # fmt: skip
    explained(text).write(run, "shap_row")
    explained(text, method="lime", failed=1).write(run, "lime_row")
    everywhere().write(run, "shap_global")
    return run


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return read_material(spam_run(tmp_path_factory.mktemp("runs") / "good"))


def shown(section: Section | None) -> dict[str, Any]:
    """Return the values of a section that must be there."""
    assert section is not None
    return section.values


def changed(material: Material, **parts: Any) -> Material:
    """Return the material with other parts in its summary; None takes one away."""
    summary = {key: value for key, value in {**material.summary, **parts}.items() if value is not None}
    return dataclasses.replace(material, summary=summary)


def test_the_page_has_every_section_in_order_and_is_the_same_every_time(material: Material) -> None:
    html = build_report(material.run).read_bytes()
    assert build_report(material.run).read_bytes() == html
    page = Page(html.decode())
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert [name for name in page.ids if name in IDS] == IDS
    assert page.ids.index("data") < page.ids.index("steps") < page.ids.index("architecture")
    assert page.ids.index("curves") < page.ids.index("reading")
    assert page.ids.index("wrong") < page.ids.index("explanations")
    levels = [level for level, _ in page.headings]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert "Missing values" not in page.text
    assert "Matthews correlation ★" in page.text


def test_whatever_a_message_holds_is_shown_as_text(material: Material, tmp_path: Path) -> None:
    text = f"{SCRIPT} \"'& \x00\x1b[31m \ud800 {HIDDEN} {HEBREW} {ENDLESS} 🎉 `code` $x$"
    parts = {
        "steps": {"message": text, "steps": [{"name": SCRIPT, "text": text, "tokens": [text], "sentence": SCRIPT}]},
        "reading": [read(text)],
        "wrong": [{"id": SCRIPT, "text": text, "truth": SCRIPT, "prediction": "ham", "probability": 0.9}],
    }
    hostile = dataclasses.replace(
        changed(material, classes=["ham", SCRIPT], predictions=None, **parts),
        run=Run.at(tmp_path / "run"),
        history=pd.DataFrame(),
        predictions=pd.DataFrame(),
    )
    environment = messages_template()
    sections = [messages.steps(hostile), messages.reading(hostile), messages.wrong(hostile)]
    sections.append(explanations(dataclasses.replace(hostile, explanations={"one": explained(text)})))
    html = "".join(str(getattr(environment, s.template)(**s.values)) for s in sections if s is not None)
    assert "<script" not in html
    assert "\x00" not in html
    assert "\u202e" not in html
    html.encode()
    page = Page(html)
    assert page.open == []
    # The message stands whole in three bubbles, a step's text and a chip, and in words in its explanation.
    assert page.text.count("<script>alert(1)</script> \"'&") == 5
    pieces = shown(sections[3])["parts"][0]["words"]["pieces"]
    assert "".join(piece["text"] for piece in pieces) == printable(text)


def messages_template() -> Any:
    """Return the macros of the page, as `build_report` has them."""
    environment = page_environment()
    environment.globals["things"] = "messages"
    return environment.get_template("sections.html.j2").module


def test_a_run_without_material_has_a_page_without_its_sections(tmp_path: Path) -> None:
    run = spam_run(tmp_path / "run")
    kept = {key: value for key, value in run.summary().items() if key in ("task", "title", "data")}
    run.write_summary(kept)
    for path in (run.predictions_path, *run.explanations_folder.glob("*")):
        path.unlink()
    html = build_report(run).read_text(encoding="utf-8")
    assert not set(re.findall(r'<section id="([^"]+)"', html)) & {*IDS, "steps", "explanations"}


def test_labels_are_counted_at_one_half_and_where_messages_are_blocked(material: Material) -> None:
    table = pd.DataFrame(
        {
            "part": ["test"] * 6 + ["validation"],
            "truth": ["spam", "spam", "spam", "ham", "ham", "ham", "ham"],
            "probability": [0.99, 0.7, 0.2, 0.6, 0.1, 0.5, 0.9],
            "blocked": [1, 0, 0, 0, 0, 0, 1],
        }
    )
    values = shown(message_labels.confusion(dataclasses.replace(material, predictions=table)))
    called, blocked = values["parts"]
    assert called["counts"] == {"found": 2, "missed": 1, "false_alarms": 2, "left_alone": 1}
    assert blocked["counts"] == {"found": 1, "missed": 2, "false_alarms": 0, "left_alone": 3}
    assert called["sentence"] == (
        "Of 3 “spam” messages 2 are called so and 1 is not; of 3 “ham” messages 2 are called “spam” by mistake."
    )
    assert blocked["sentence"] == (
        "Of 3 “ham” messages 0 would not reach the reader; of 3 “spam” messages 1 is stopped."
    )
    assert values["messages"] == 6
    alone = dataclasses.replace(material, predictions=table.drop(columns="blocked"))
    assert len(shown(message_labels.confusion(alone))["parts"]) == 1


def test_classes_named_by_numbers_are_found_again(material: Material) -> None:
    # A table gives "01" back as 1.
    table = pd.DataFrame({"part": "test", "truth": [1, 2, 2], "probability": [0.1, 0.9, 0.3], "blocked": [0, 1, 0]})
    numbered = dataclasses.replace(changed(material, classes=["01", "02"]), predictions=table)
    [called, _] = shown(message_labels.confusion(numbered))["parts"]
    assert called["counts"] == {"found": 1, "missed": 1, "false_alarms": 0, "left_alone": 1}


def test_lost_messages_are_counted_with_their_interval(material: Material) -> None:
    values = shown(message_labels.blocking(material))
    [table] = values["tables"]
    assert table["rows"][0] == ["network", "1 of 257", "0.39 %", "0.01 to 2.15 %", "38 of 43", "88.4 %"]
    assert table["chosen"] == 0
    assert "none reach that" in values["lead"]
    row = {"name": "network", "ham": 900, "ham_blocked": 0, "ham_interval": [0, 0.0041], "spam": 0, "spam_blocked": 0}
    values = shown(message_labels.blocking(changed(material, blocking={"rows": [row]})))
    assert values["key"] == (
        "The network blocks 0 of 900 “ham” test messages. That is not a promise of none: a true share of up to 0.41 % "
        "would fit this count as well."
    )
    assert values["tables"][0]["rows"][0][-1] == "\N{EN DASH}", "there is no share of none"


def test_the_thresholds_in_use_lie_on_the_curve_and_its_corner_is_enlarged(material: Material) -> None:
    truth = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    assert message_labels._point(truth, np.array([1, 1, 1, 0, 1, 0, 0, 0])) == (0.75, 0.75)
    assert message_labels._point(truth, np.zeros(8)) is None
    assert message_labels._corner([(0.87, 0.999), (0.95, 0.97)]) == (0.85, 0.9)
    assert message_labels._corner([(0.3, 0.9)]) is None, "nothing of use lies in the corner"
    curve = message_labels._curve(truth, np.array([0.9, 0.8, 0.7, 0.2, 0.75, 0.1, 0.1, 0.1]))
    assert (0.75, 0.75) in zip(curve["recall"], curve["precision"], strict=True)
    assert 0.0 not in curve["recall"], "recall 0 at precision 1 is a convention"
    plots = shown(message_labels.precision_recall(material))["plots"]
    assert [plot.name for plot in plots] == ["precision_recall", "precision_recall_corner"]
    assert "diamond" in plots[0].reading
    one_class = dataclasses.replace(material, predictions=material.predictions[material.predictions["truth"] == "ham"])
    assert message_labels.precision_recall(one_class) is None


def test_how_often_a_sure_network_is_right_is_said(material: Material) -> None:
    table = pd.DataFrame(
        {"part": "test", "truth": ["spam", "spam", "ham", "ham"], "probability": [0.99, 0.6, 0.98, 0.01]}
    )
    key = shown(message_labels.calibration(dataclasses.replace(material, predictions=table)))["key"]
    assert key.replace("\N{NO-BREAK SPACE}", " ") == (
        "The network is at least 95 % sure of 3 of 4 test messages; 66.7 % of these labels are right, and 100.0 % of "
        "the other 1."
    )


def test_lengths_that_do_not_fit_their_edges_are_not_drawn(material: Material) -> None:
    values = shown(messages.lengths(material))
    assert values["key"].startswith("The median message of “ham” has 52 and of “spam” has 149 characters.")
    found = material.summary["lengths"]
    for damage in ({"edges": [0]}, {"counts": {"ham": [1]}}, {"counts": {}}, {"edges": [0, float("inf")]}):
        assert messages.lengths(changed(material, lengths={**found, **damage})) is None


def test_a_curve_has_a_point_before_the_first_word_and_one_after_each() -> None:
    one = {"text": "Win now", "spans": [[0, 3], [4, 7]], "probability": [0.1, 0.8, 0.75]}
    curve = reading_curve(one, "spam", 0.9)
    assert curve is not None
    assert [point["word"] for point in curve["points"]] == ["", "Win", "now"]
    assert [point["side"] for point in curve["points"]] == ["", "raises", "lowers"]
    heights = [point["y"] for point in curve["points"]]
    assert heights[1] < heights[2] < heights[0], "a higher probability is drawn further up"
    assert curve["sentence"] == (
        "Probability of “spam”: 0.10 before the first word, 0.75 after the last. It rises most at “Win”: from 0.10 to "
        "0.80."
    )
    assert [name for _, name in curve["lines"]] == ["0.5", "blocked"]
    assert reading_curve({**one, "probability": [0.1, 0.8]}, "spam", 0.9) is None
    assert reading_curve({**one, "probability": [0.1, 0.8, float("nan")]}, "spam", None) is None


@pytest.mark.parametrize("probability", [0.02, 0.85, 0.9, 0.95])
def test_the_name_of_the_threshold_keeps_away_from_the_curve(probability: float) -> None:
    text = "word " * 12
    one = read(text)
    one["probability"] = [probability] * len(one["probability"])
    curve = reading_curve(one, "spam", 0.9)
    assert curve is not None
    assert curve["blocked"]["anchor"] == "start", "a phone shows the left end"
    middle = curve["blocked"]["y"] - 4
    assert min(abs(point["y"] - middle) for point in curve["points"]) >= 8


def test_a_curve_of_many_words_is_cut_and_one_of_none_says_so() -> None:
    text = "word " * 100
    curve = reading_curve(read(text), "spam", None)
    assert curve is not None
    assert len(curve["points"]) == MOST_WORDS + 1
    assert curve["cut"] == f"The first {MOST_WORDS} of 100 steps are drawn."
    assert max(point["x"] for point in curve["points"]) < curve["width"]
    empty = reading_curve({"text": "", "spans": [], "probability": [0.02]}, "spam", 0.9)
    assert empty is not None
    assert empty["sentence"].startswith("The message has no words.")


def test_padding_is_counted_rather_than_repeated(material: Material) -> None:
    cleaned, cut, numbered = shown(messages.steps(material))["parts"]
    assert cleaned["excerpt"]["text"] == PRIZE.lower()
    assert [chip["kind"] for chip in cut["chips"]] == ["", "", "unknown"]
    assert numbered["chips"][0] == {"text": "0", "kind": "padding", "times": 90}
    long = [*("word" for _ in range(200)), *({"text": "0", "kind": "padding"} for _ in range(50))]
    steps = {"message": "", "steps": [{"name": "Numbered", "tokens": long}]}
    [part] = shown(messages.steps(changed(material, steps=steps)))["parts"]
    assert len(part["chips"]) == messages.MOST_CHIPS
    assert part["chips"][-1]["times"] == 50
    assert part["more"] == 201 - messages.MOST_CHIPS
    assert messages.steps(changed(material, steps={"message": "x", "steps": []})) is None


def test_wrong_messages_stand_under_what_they_are(material: Material) -> None:
    first, second = shown(messages.wrong(material))["groups"]
    assert first["title"] == "“ham” messages called “spam”"
    assert [one["id"] for one in first["bubbles"]] == ["311", "12"]
    assert [one["excerpt"]["empty"] for one in second["bubbles"]] == [False, True, False, False]
    assert messages.wrong(changed(material, wrong=[])) is None


def test_long_messages_are_cut_and_invisible_words_are_named() -> None:
    assert excerpt("x" * LONGEST)["more"] == 0
    assert excerpt("x" * 5000) == {"text": "x" * LONGEST, "more": 5000 - LONGEST, "empty": False}
    assert excerpt(" \u00a0")["empty"]
    assert visible("\u200b\u200d") == "U+200B U+200D"
    assert visible("") == "(nothing)"
    assert visible("שלום") == "שלום"
    assert printable("a\x00b\n\u200b\ud800") == "a\N{REPLACEMENT CHARACTER}b\n\u200b\N{REPLACEMENT CHARACTER}"


def part_of(explanation: Explanation, material: Material) -> dict[str, Any]:
    [part] = shown(explanations(dataclasses.replace(material, explanations={"one": explanation})))["parts"]
    return part


def test_each_word_of_a_message_has_its_own_colour_and_number(material: Material) -> None:
    text = "Free free\u00a0 now ok"
    # The order of attributions is that of size, not of the text.
    one = dataclasses.replace(
        explained(text),
        attributions=(
            Attribution("free", "2nd word", 0.5),
            Attribution("now", "3rd word", -0.25),
            Attribution("Free", "1st word", 0.05),
            Attribution("ok", "4th word", 0.001),
        ),
        message=MessageTrace(text, ((5, 11), (11, 14), (0, 4), (15, 17)), "spam", "ham"),
    )
    part = part_of(one, material)
    pieces = part["words"]["pieces"]
    assert "".join(piece["text"] for piece in pieces) == text
    coloured = [(piece["text"], piece["side"], piece["mix"], piece["worth"]) for piece in pieces if "side" in piece]
    assert coloured == [
        ("Free", "raises", 10, "+0.05"), ("free", "raises", 100, "+0.50"), ("now", "lowers", 50, "−0.25"),
        ("ok", "raises", 0, ""),
    ]  # fmt: skip
    assert "in truth the message is “ham”" in part["lead"]
    [bars] = part["lists"]
    assert [(row["left"], row["width"]) for row in bars["rows"]][:2] == [(33.33, 66.67), (0.0, 33.33)]
    assert [row["zero"] for row in bars["rows"]] == [33.33] * 4


def test_a_message_in_which_no_word_counts_is_pale(material: Material) -> None:
    pieces = part_of(explained(PRIZE, most=0.004), material)["words"]["pieces"]
    assert max(piece["mix"] for piece in pieces if "side" in piece) == 4


def test_a_message_without_words_is_still_a_page(material: Material) -> None:
    part = part_of(explained(""), material)
    assert part["lists"] == []
    assert part["words"]["pieces"] == []
    assert part["lead"].endswith("There is no word in it that could be explained.")
    assert "(an empty message)" in str(messages_template().explanations([part]))


def test_a_failed_explanation_is_called_so_first(material: Material) -> None:
    assert part_of(explained(PRIZE), material)["warning"] is None
    assert part_of(explained(PRIZE, failed=1), material)["warning"] == (
        "This explanation failed 1 of 2 checks (removal): do not lean on it."
    )
    assert part_of(explained(PRIZE, failed=2), material)["warning"] == (
        "This explanation failed all its checks (removal; fit): do not trust it."
    )


def test_words_of_many_messages_stand_in_two_lists_on_one_scale(material: Material) -> None:
    part = part_of(everywhere(), material)
    assert part["title"] == "SHAP: the words of 200 messages"
    raise_, lower = part["lists"]
    assert [(row["word"], row["note"], row["worth"]) for row in raise_["rows"]] == [
        ("claim", "in 9 messages", "+0.31"), ("won", "in 12 messages", "+0.22"), ("txt", "in 21 messages", "+0.09"),
    ]  # fmt: skip
    assert [row["word"] for row in lower["rows"]] == ["ok", "later"]
    assert raise_["rows"][0]["width"] == 100
    assert lower["rows"][0]["width"] == pytest.approx(100 * 0.11 / 0.31, abs=0.01)
    assert lower["rows"][0]["left"] + lower["rows"][0]["width"] == pytest.approx(100)
    html = str(messages_template().explanations([part]))
    assert "Mean contribution" in html
    assert ">40</td>" in html


def test_text_stands_out_from_every_colour_behind_it() -> None:
    css = (HERE / "style.css").read_text(encoding="utf-8")
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    for theme in (light, dark.partition("\n}\n")[0]):
        text, page, *behind = (
            re.findall(rf"--{name}: (#\w+)", theme)[0] for name in ("text", "card", "raise", "lower")
        )
        for colour in behind:
            for share in (0.25, 0.5, 1.0):
                mixed = [share * a + (1 - share) * b for a, b in zip(rgb(colour), rgb(page), strict=True)]
                first, second = sorted((luminance(mixed), luminance(rgb(text))))
                assert (second + 0.05) / (first + 0.05) >= 4.5, (colour, share)


def rgb(colour: str) -> list[float]:
    return [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]


def luminance(colour: list[float]) -> float:
    """Return the relative luminance of WCAG 2."""
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in colour]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_in_a_terminal_a_message_cannot_move_the_cursor() -> None:
    text = explanation_text(explained(f"\x1b[31mWin\u202e {PRIZE}"))
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    first, second, *_ = text.splitlines()
    assert first == "SHAP, message 17 (truth: spam): probability of spam 0.9800, base value 0.1300"
    assert "Win" in second
    assert "passed: About fit." in text
    assert "words that count less" in text
    words = explanation_text(everywhere()).splitlines()
    assert words[2].split() == ["claim", "in", "9", "+0.3100"]
