"""The sections about ratings and recommendations: titles stay text, names find room, and who wins is said."""

from __future__ import annotations

import dataclasses
import re
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_runs import write_run
from test_report import Page
from test_report_messages import luminance, rgb

from practicals.common.explain import Attribution, Check, Explanation
from practicals.common.explain.explanation import RatingTrace
from practicals.common.report import rating_map, ratings
from practicals.common.report.bar_lists import bar_list
from practicals.common.report.explained import explanations
from practicals.common.report.material import Material, Section, read_material
from practicals.common.report.page import build_report
from practicals.common.report.rating_map import COLOURS, MOST_DOTS, MOST_LABELS, map_drawing
from practicals.common.report.rating_words import LONGEST_TITLE, title_of
from practicals.common.report.templates import HERE, page_environment
from practicals.common.run import Run
from practicals.common.text import explanation_text

IDS = ["errors", "histogram", "ranking", "depths", "lists", "item_map", "nearest"]
GENRES = ("Comedy", "Mystery", "Romance", "Drama", "Action", "Horror", "Musical", "Western", "War", "")
LONG = "The Very Long and Entirely Unreasonable Title of a Film about the Glass Harbour in Winter, Part Three (1994)"
HEBREW = "הנמל של זכוכית (1994)"
CHINESE = "玻璃港口的漫长冬天 (2001)"
HOSTILE = "<script>alert(1)</script> \"'& \x00\x1b[31m \ud800 \u202egnp.exe \u200b `code` $x$"


def names(count: int) -> list[str]:
    first = ("Glass", "Silent", "Crooked", "Paper", "Northern", "Hollow", "Copper", "Midnight", "Velvet", "Salt")
    last = ("Harbour", "Orchard", "Ladder", "Violin", "Lantern", "Station", "Garden", "Compass", "Letter", "Bridge")
    made = [f"The {first[i % 10]} {last[i // 10 % 10]} ({1950 + i % 50})" for i in range(count)]
    return [LONG, HEBREW, CHINESE, *made][:count]


def group(low: int, high: int | None, count: int, rmse: float, other: float | None) -> dict[str, Any]:
    return {"from": low, "to": high, "ratings": count, "rmse": rmse, "baseline_rmse": other}


def ranked(name: str, ndcg: float, popularity: float) -> dict[str, Any]:
    scores = {"precision": 0.8 * ndcg, "recall": 0.6 * ndcg, "ndcg": ndcg, "hit_rate": 2 * ndcg}
    return {"name": name, **scores, "coverage": 0.31, "popularity": popularity}


def a_list(user: str, titles: list[str]) -> dict[str, Any]:
    reasons = [{"title": titles[0], "contribution": 0.21}, {"title": titles[1], "contribution": -0.134}]
    return {
        "user": user,
        "rated": [{"title": title, "rating": 5 - 0.5 * place} for place, title in enumerate(titles[:6])],
        "items": [
            {"title": title, "genres": ["Comedy", "War"][: place % 3], "prediction": 4.9 - 0.07 * place,
             "reasons": reasons if place < 8 else []}
            for place, title in enumerate(titles[6:16])
        ],
    }  # fmt: skip


def explained(*, method: str = "shap", user: str = "42", parts: int = 20, failed: int = 0) -> Explanation:
    """Return an explanation whose contributions shrink, every third below zero; the last part is a group."""
    worth = 0.3 * 0.85 ** np.arange(parts) * np.where(np.arange(parts) % 3 == 2, -1, 1)
    titles = [*names(max(parts - 1, 0)), "203 other ratings"][-parts:] if parts else []
    settings: dict[str, int | float | str] = {"ratings_together": "203 of 222 in one part"} if parts else {}
    return Explanation(
        method=method,
        scope="row",
        subject=f"{user}: {LONG}",
        unit="stars",
        prediction=4.31,
        base_value=3.52,
        attributions=tuple(
            Attribution(title, f"rated {place % 5 + 1}", float(value))
            for place, (title, value) in enumerate(zip(titles, worth, strict=True))
        ),
        checks=tuple(
            Check(name, 0.3, 0.5, number >= failed, f"About {name}.") for number, name in enumerate(("removal", "fit"))
        ),
        settings=settings,
        rating=RatingTrace(user, LONG, 4.0, tuple(float(place % 5 + 1) for place in range(parts))),
    )


def summary_of(titles: list[str]) -> dict[str, Any]:
    generator = np.random.default_rng(5)
    middles = generator.normal(0, 2, (len(GENRES), 2))
    which = generator.integers(0, len(GENRES), len(titles))
    places = middles[which] + generator.normal(0, 1, (len(titles), 2))
    return {
        "noun": ["film", "films"],
        "unit": "stars",
        "by_user": [
            group(1, 10, 300, 1.041, 1.052), group(11, 50, 5000, 0.952, 0.981), group(51, 200, 9000, 0.91, 0.94),
            group(201, None, 5700, 0.86, 0.91),
        ],
        "by_item": [
            group(0, 0, 32, 1.31, 1.3), group(1, 10, 900, 1.02, 1.04), group(11, 100, 6000, 0.95, 0.98),
            group(101, 583, 13068, 0.88, 0.93),
        ],
        "histogram": {
            "values": [1, 2, 3, 4, 5], "truth": [0.061, 0.114, 0.271, 0.342, 0.212],
            "prediction": [0.004, 0.062, 0.418, 0.475, 0.041],
        },
        "ranking": {
            "k": 10, "users": 459, "relevant": 4, "sentence": "The list is ordered by `ranking`.",
            "rows": [ranked("network", 0.2134, 120.4), ranked("most popular", 0.1712, 270.9),
                     ranked("item neighbours", 0.1893, 160.2)],
        },
        "depths": [
            {"name": "depth 1", "hidden": [500], "validation": 0.9141, "seconds": 14.0},
            {"name": "depth 2", "hidden": [500, 250], "validation": 0.9102, "seconds": 22.0},
            {"name": "depth 3", "hidden": "500-250-125", "validation": 0.9127, "seconds": 31.0},
        ],
        "lists": [a_list("42", titles), a_list("311", titles[20:]), a_list("שלום", titles[40:])],
        "item_map": {
            "x": places[:, 0].tolist(), "y": places[:, 1].tolist(), "group": [GENRES[one] for one in which],
            "title": titles, "ratings": np.round(400 * 0.98 ** np.arange(len(titles)) + 1).tolist(),
        },
        "nearest": [
            {"title": title, "near": [{"title": other, "similarity": 0.83 - 0.11 * place}
                                      for place, other in enumerate(titles[3:8])]}
            for title in titles[:4]
        ],
    }  # fmt: skip


def rating_run(folder: Path, *, titles: list[str] | None = None) -> Run:
    """Write a finished run folder of a lesson about ratings, with everything that its report can show."""
    run = write_run(folder)
    for path in run.explanations_folder.glob("*"):
        path.unlink()
    generator = np.random.default_rng(3)
    truth = generator.integers(1, 6, 400).astype(float)
    table = {
        "id": np.arange(1, 401), "part": ["validation"] * 100 + ["test"] * 300, "truth": truth,
        "prediction": np.clip(0.5 * truth + 1.8 + 0.7 * generator.standard_normal(400), 1, 5),
        "user": generator.integers(1, 944, 400), "item": generator.integers(1, 1683, 400),
    }  # fmt: skip
    run.write_table(run.predictions_path, pd.DataFrame(table))
    scores = {"rmse": 0.9021, "mae": 0.7093}
    lists = {"precision_at_10": 0.171, "recall_at_10": 0.128, "ndcg_at_10": 0.2134, "hit_rate_at_10": 0.427}
    lists |= {"coverage": 0.31, "popularity": 120.4}
    data = {"things": "ratings", "rows": 100_000, "parts": {"train": 76_000, "validation": 4_000, "test": 20_000}}
    data |= {"users": 943, "items": 1682, "density": 0.063, "notes": ["Film 267 has no title."]}
    summary = {key: value for key, value in run.summary().items() if key in ("title", "lesson", "settings", "ladder")}
    run.write_summary({**summary, "task": "ratings", "data": data, **summary_of(titles or names(400))})
    run.write_metrics(
        {
            **run.metrics(),
            "practical": "recommender", "train": {"rmse": 0.81}, "validation": scores, "test": {**scores, **lists},
            "baselines": {"user and item biases": {"rmse": 0.9548}, "item neighbours": {"rmse": 0.9272, **lists}},
            "primary": {"metric": "rmse", "direction": "min", "unit": "stars"},
            "verdict": {"against": "item neighbours", "result": "better", "difference": -0.0251,
                        "interval_95": [-0.0281, -0.0223]},
        }
    )  # fmt: skip
    explained().write(run, "shap_row")
    explained(method="lime", failed=1).write(run, "lime_row")
    return run


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return read_material(rating_run(tmp_path_factory.mktemp("runs") / "good"))


def shown(section: Section | None) -> dict[str, Any]:
    """Return the values of a section that must be there."""
    assert section is not None
    return section.values


def changed(material: Material, **parts: Any) -> Material:
    """Return the material with other parts in its summary."""
    return dataclasses.replace(material, summary={**material.summary, **parts})


def rendered(*found: Section | None) -> str:
    """Return sections as the page holds them."""
    environment = page_environment()
    environment.globals["things"] = "ratings"
    macros: Any = environment.get_template("sections.html.j2").module
    return "".join(str(getattr(macros, one.template)(**one.values)) for one in found if one is not None)


def part_of(explanation: Explanation, material: Material) -> dict[str, Any]:
    [part] = shown(explanations(dataclasses.replace(material, explanations={"one": explanation})))["parts"]
    return part


def test_the_page_has_every_section_in_order_and_is_the_same_every_time(material: Material) -> None:
    html = build_report(material.run).read_bytes()
    assert build_report(material.run).read_bytes() == html
    page = Page(html.decode())
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert [name for name in page.ids if name in IDS] == IDS
    assert page.ids.index("scores") < page.ids.index("errors")
    assert page.ids.index("nearest") < page.ids.index("explanations")
    levels = [level for level, _ in page.headings]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert "Users 943 Films 1,682 Density 6.3 % of all pairs of user and film are rated" in page.text.replace(
        "\xa0", " "
    )
    # The scores of lists stand in their own table alone.
    assert page.text.count("share of the users with at least one hit on their list") == 1


def test_a_run_without_material_has_a_page_without_its_sections(tmp_path: Path) -> None:
    run = rating_run(tmp_path / "run")
    run.write_summary({"task": "ratings", "title": "Films", "data": {"things": "ratings", "rows": 12}})
    for path in (run.predictions_path, *run.explanations_folder.glob("*")):
        path.unlink()
    html = build_report(run).read_text(encoding="utf-8")
    assert not set(re.findall(r'<section id="([^"]+)"', html)) & {*IDS, "explanations"}


def test_whatever_a_title_holds_is_shown_as_text(material: Material, tmp_path: Path) -> None:
    titles = [HOSTILE] * 60
    hostile = dataclasses.replace(
        changed(material, **{**summary_of(titles), "noun": [HOSTILE, HOSTILE]}), run=Run.at(tmp_path / "run")
    )
    one = explained()
    assert one.rating is not None
    one = dataclasses.replace(
        one,
        rating=dataclasses.replace(one.rating, user=HOSTILE, item=HOSTILE),
        attributions=tuple(dataclasses.replace(item, feature=HOSTILE) for item in one.attributions),
    )
    hostile = dataclasses.replace(hostile, explanations={"one": one})
    found = [build(hostile) for build in (ratings.lists, ratings.item_map, ratings.nearest, explanations)]
    assert None not in found
    html = rendered(*found)
    assert "<script" not in html
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\ud800-\udfff]", html)
    assert Page(html).open == []


def test_titles_are_cut_and_never_invisible() -> None:
    assert title_of(LONG * 5).endswith("…")
    assert len(title_of(LONG * 5)) == LONGEST_TITLE
    assert title_of("\u200b") == "U+200B"
    assert title_of(HEBREW) == HEBREW


def test_groups_are_named_and_counted(material: Material) -> None:
    values = shown(ratings.errors(material))
    users, films = values["tables"]
    assert [row[0] for row in users["rows"]] == ["1 to 10", "11 to 50", "51 to 200", "201 and more"]
    assert films["rows"][0] == ["none", "32", "1.3100", "1.3000", "+0.0100"]
    assert values["key"] == (
        "By ratings of the user, the network errs less than item neighbours in 4 of 4 groups. By ratings of the film, "
        "the network errs less than item neighbours in 3 of 4 groups, but not in “none”."
    )
    alone = [group(1, 5, 10, 1.0, None)]
    section = ratings.errors(changed(material, by_user=alone, by_item=[]))
    assert shown(section)["key"] is None
    assert shown(section)["tables"][0]["rows"][0][-2:] == ["\N{EN DASH}"] * 2


def test_caution_at_the_ends_of_the_scale_is_said(material: Material) -> None:
    key = shown(ratings.histogram(material))["key"].replace("\xa0", " ")
    assert "1 is given in 6.1 % and predicted in 0.4 %, 5 is given in 21.2 % and predicted in 4.1 % of all cases" in key
    found = material.summary["histogram"]
    equal = changed(material, histogram={**found, "prediction": found["truth"]})
    assert shown(ratings.histogram(equal))["key"] is None
    damages: list[dict[str, Any]] = [{"values": [1, 2]}, {"truth": []}, {"truth": [float("nan")] * 5}]
    for damage in damages:
        assert ratings.histogram(changed(material, histogram={**found, **damage})) is None


def test_lists_are_compared_metric_by_metric(material: Material) -> None:
    values = shown(ratings.ranking(material))
    rows = {row["label"]: row for row in values["rows"]}
    assert rows["NDCG at 10"]["cells"] == ["0.2134", "0.1712", "0.1893"]
    assert rows["NDCG at 10"]["best"] == "0.2134"
    assert rows["Popularity"]["cells"] == ["120.4", "270.9", "160.2"]
    assert rows["Popularity"]["best"] is None, "well-known is neither good nor bad"
    assert "each of 459 users gets 10 films" in values["lead"]
    assert "rated it 4 or more" in values["lead"]
    assert values["key"] == (
        "NDCG at 10 of the network, 0.2134, is above that of the best opponent, item neighbours, with 0.1893."
    )
    worse = {"k": 5, "rows": [ranked("network", 0.1, 9.0), ranked("most popular", 0.2, 9.0)]}
    values = shown(ratings.ranking(changed(material, ranking=worse)))
    assert "is below" in values["key"]
    assert values["rows"][0]["label"] == "Precision at 5"


def test_the_better_depth_is_said_with_the_other_beside_it(material: Material) -> None:
    values = shown(ratings.depths(material))
    assert values["key"] == (
        "On validation “depth 2” wins, a stacked network: RMSE 0.9102. The best shallow one, “depth 1”, gets 0.9141, a "
        "difference of 0.0039."
    )
    assert [table["chosen"] for table in values["tables"]] == [1]
    assert values["tables"][0]["rows"][1] == ["depth 2", "500-250", "0.9102", "22 s"]
    tried = [
        dict(one, validation=value) for one, value in zip(material.summary["depths"], (0.9, 0.92, 0.91), strict=True)
    ]
    key = shown(ratings.depths(changed(material, depths=tried)))["key"]
    assert key.startswith("On validation “depth 1” wins, a shallow network")
    assert "The best stacked one, “depth 3”, gets 0.9100" in key


def test_a_list_says_what_was_rated_and_why(material: Material) -> None:
    first, *_ = shown(ratings.lists(material))["users"]
    assert first["rated"][1] == (HEBREW, "4.5")
    item = first["items"][2]
    assert item["note"] == "Comedy, War"
    assert item["reasons"][1] == (HEBREW, "−0.13")
    bare = [{"user": "7", "items": [{"title": "A", "prediction": 4.0}]}, {"user": "8", "items": []}]
    values = shown(ratings.lists(changed(material, lists=bare)))
    assert [one["user"] for one in values["users"]] == ["7"]
    assert not values["why"]
    assert "stand the user's own ratings" not in rendered(ratings.lists(changed(material, lists=bare)))


def test_names_on_the_map_neither_overlap_nor_leave_it(material: Material) -> None:
    found = map_drawing(material.summary["item_map"])
    assert found is not None
    assert 5 < len(found["labels"]) <= MOST_LABELS
    boxes = []
    for label in found["labels"]:
        wide = rating_map._width(label["text"])
        left = label["x"] - {"start": 0, "middle": wide / 2, "end": wide}[label["anchor"]]
        boxes.append((left, label["y"] - 11, left + wide, label["y"] + 3))
    assert not any(rating_map._meet(one, other) for one, other in combinations(boxes, 2))
    assert all(box[0] > 0 and box[2] < found["width"] and box[1] > 0 and box[3] < found["height"] for box in boxes)
    assert all(0 < dot["x"] < found["width"] and 0 < dot["y"] < found["height"] for dot in found["dots"])


def test_the_most_frequent_genres_have_colours(material: Material) -> None:
    found = map_drawing(material.summary["item_map"])
    assert found is not None
    *coloured, (other, colour, count) = found["legend"]
    assert [place for _, place, _ in coloured] == list(range(1, COLOURS + 1))
    assert (other, colour) == ("others", 0)
    assert count + sum(each for *_, each in coloured) == 400
    counts = [each for *_, each in coloured]
    assert counts == sorted(counts, reverse=True)


def test_a_map_keeps_distances_and_leaves_out_what_has_no_place() -> None:
    nowhere = float("nan")
    found = map_drawing({"x": [0, 4, 0, nowhere], "y": [0, 0, 2, 1], "group": [], "title": ["a", "b", "c", "d"]})
    assert found is not None
    by_title = {dot["title"]: dot for dot in found["dots"]}
    assert list(by_title) == ["c", "b", "a"], "the best-known is drawn last"
    across, up = by_title["b"]["x"] - by_title["a"]["x"], by_title["a"]["y"] - by_title["c"]["y"]
    assert across == pytest.approx(2 * up, abs=0.2)
    assert found["legend"] == []
    many = {"x": list(range(MOST_DOTS + 5)), "y": [0] * (MOST_DOTS + 5), "title": ["x"] * (MOST_DOTS + 5)}
    crowded = map_drawing(many)
    assert crowded is not None
    assert (len(crowded["dots"]), crowded["left_out"]) == (MOST_DOTS, 5)
    for damage in ({}, {"x": [1], "y": [1], "title": ["a"]}, {"x": [1, 2], "y": [1, 2], "title": ["a"]}):
        assert map_drawing(damage) is None


def test_dots_stand_out_from_the_page_in_both_themes() -> None:
    css = (HERE / "style.css").read_text(encoding="utf-8")
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    names_ = re.findall(r"\.g\d \{ fill: var\(--(\w+)\)", css)
    assert len(set(names_)) == COLOURS + 1
    for theme in (light, dark.partition("\n}\n")[0]):
        card, *dots = (luminance(rgb(re.findall(rf"--{name}: (#\w+)", theme)[0])) for name in ("card", *names_))
        for dot in dots:
            first, second = sorted((card, dot))
            assert (second + 0.05) / (first + 0.05) >= 3


def test_bars_of_several_lists_have_one_scale() -> None:
    half = bar_list("", [("a", "", 0.5), ("b", "", 0.25)], "", with_sign=False, ends=(0.0, 1.0))
    assert [(row["width"], row["worth"]) for row in half["rows"]] == [(50.0, "0.50"), (25.0, "0.25")]
    lower = bar_list("", [("a", "rated 5", -0.3)], "", ends=(-0.4, 0.0))["rows"]
    assert [(row["left"], row["width"], row["zero"], row["side"]) for row in lower] == [(25.0, 75.0, 100.0, "lowers")]


def test_an_explanation_names_user_title_and_ratings(material: Material) -> None:
    part = part_of(explained(), material)
    assert part["title"].endswith("for user 42")
    assert part["feature"] == "Film"
    assert part["lead"] == (
        "The network predicts 4.31 stars; in truth it was rated 4. Ratings of little effect are explained together: "
        "203 of 222 in one part. Without any of the user's ratings it would predict 3.52; SHAP divides the difference "
        "fairly among the ratings, so that together they make up all of it."
    )
    up, down = part["lists"]
    assert [(row["word"], row["note"], row["worth"]) for row in up["rows"][1:3]] == [
        (HEBREW, "rated 2", "+0.26"), ("The Glass Harbour (1950)", "rated 4", "+0.18"),
    ]  # fmt: skip
    assert up["rows"][-1]["word"] == "4 others"
    total = sum(item.contribution for item in explained().attributions if item.contribution > 0)
    assert sum(float(row["worth"]) for row in up["rows"]) == pytest.approx(total, abs=0.05)
    assert [row["word"] for row in down["rows"]][:2] == [CHINESE, "The Crooked Harbour (1952)"]
    assert down["rows"][0]["left"] + down["rows"][0]["width"] == pytest.approx(100)
    assert down["rows"][0]["width"] == pytest.approx(100 * 0.85**2, abs=0.01), "both lists have one scale"
    failed = part_of(explained(method="lime", user="you", failed=2), material)
    assert failed["title"].endswith("for you")
    assert failed["lists"][1]["title"] == "Your ratings that lower it"
    assert "failed all its checks" in failed["warning"]


def test_a_prediction_without_ratings_is_still_explained(material: Material) -> None:
    part = part_of(explained(parts=0), material)
    assert part["lists"] == []
    assert part["lead"].endswith("so this is what it predicts for anyone new.")
    assert (
        Page(rendered(explanations(dataclasses.replace(material, explanations={"one": explained(parts=0)})))).open == []
    )


def test_methods_on_one_prediction_stand_together(material: Material) -> None:
    found = {
        f"{method}_{user}": explained(method=method, user=user) for method in ("lime", "shap") for user in ("9", "7")
    }
    parts = shown(explanations(dataclasses.replace(material, explanations=found)))["parts"]
    assert [part["title"].split(":")[0] + part["title"][-2:] for part in parts] == [
        "SHAP 7",
        "LIME 7",
        "SHAP 9",
        "LIME 9",
    ]


def test_in_a_terminal_a_title_cannot_move_the_cursor() -> None:
    one = explained(failed=1)
    assert one.rating is not None
    one = dataclasses.replace(one, rating=dataclasses.replace(one.rating, item=f"\x1b[31mHarbour\u202e {HEBREW}"))
    text = explanation_text(one)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    head, _, first, *_ = text.splitlines()
    assert head.startswith("SHAP, ")
    assert head.endswith("for user 42 (truth: 4): predicted 4.31 stars, base value 3.52")
    assert first.split()[-3:] == ["rated", "1", "+0.300"]
    assert "and 6 ratings that count less" in text
    assert "FAILED: About removal." in text
