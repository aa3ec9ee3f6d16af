"""Leakage, proved for all lessons: what becomes of the test rows moves nothing fitted, and planted leaks are caught."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from lesson_probes import PROBES, few_ratings, is_in_order
from lesson_story import Probe, divided, moved, tell
from planted_leaks import LEAKS, Leak, copy_with

from practicals.common.catalog import CATALOG

OFTEN_MADE = ("scaler on all rows", "SMOTE before the split", "test ratings among what the user has given")
EARLY = [
    # Parts that hold the same show in a moment. Of the others, those that are made most often are tried in the fast
    # tier, the rest where there is time.
    pytest.param(
        leak,
        id=f"{leak.lesson}: {leak.name}",
        marks=() if leak.caught_by == "apart" or leak.name in OFTEN_MADE else pytest.mark.slow,
    )
    for leak in LEAKS
    if not leak.in_training
]


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As in conftest, for the whole module, so that pictures are read once; and few ratings."""
    with pytest.MonkeyPatch.context() as patch, few_ratings():
        patch.setenv("PRACTICALS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("PRACTICALS_DATA", raising=False)
        yield


@pytest.fixture(params=sorted(PROBES))
def probe(request) -> Probe:
    return PROBES[request.param]


def broken(lesson: ModuleType, probe: Probe, folder: Path, whole: bool = False, only: str = "") -> dict[str, list[str]]:
    """Return promise -> what shows that the lesson breaks it; only one of them if it is named."""
    found: dict[str, list[str]] = {}
    if only in ("", "labels", "features", "unasked"):
        plain = tell(lesson, probe, folder / "plain", whole=whole)
    if only in ("", "labels", "unasked"):
        other = tell(lesson, probe, folder / "labels", probe.relabel, plain.split, whole)
        found |= {"labels": moved(plain.fitted, other.fitted), "unasked": moved(plain.shown, other.shown)}
    if only in ("", "features"):
        other = tell(lesson, probe, folder / "features", probe.redraw, plain.split, whole)
        found["features"] = moved(plain.fitted, other.fitted)
        assert moved(plain.shown, other.shown) or probe.name in ("web_traffic", "recommender"), "nothing was changed"
    if only in ("", "apart"):
        found["apart"] = shared(lesson, probe, folder / "apart")
    return {promise: names for promise, names in found.items() if names}


def shared(lesson: ModuleType, probe: Probe, folder: Path) -> list[str]:
    """Return which parts hold the same, where the data hold copies."""
    split = divided(lesson, probe, folder, probe.repeat)
    keys = {name: probe.keys(part) for name, part in split.items()}
    assert all(keys.values())
    pairs = [f"{one} and {other}" for one in keys for other in keys if one < other and keys[one] & keys[other]]
    return pairs if probe.name != "web_traffic" or is_in_order(split) else [*pairs, "not in order"]


def test_every_lesson_is_probed():
    assert set(PROBES) == set(CATALOG)


def test_test_rows_move_nothing_that_training_is_given_and_no_part_holds_what_another_holds(probe, tmp_path):
    assert broken(probe.lesson, probe, tmp_path) == {}


@pytest.mark.parametrize("leak", EARLY)
def test_a_leak_before_training_is_caught(leak: Leak, tmp_path):
    with copy_with(leak, tmp_path) as lesson:
        assert leak.caught_by in broken(lesson, PROBES[leak.lesson], tmp_path, only=leak.caught_by)


@pytest.mark.slow  # trains every network three times, with its opponents
def test_test_rows_move_no_weight_no_threshold_no_interval_and_no_opponent(probe, tmp_path):
    assert broken(probe.lesson, probe, tmp_path, whole=True) == {}


@pytest.mark.slow  # trains two networks for each leak
@pytest.mark.parametrize(
    "leak", [leak for leak in LEAKS if leak.in_training], ids=lambda leak: f"{leak.lesson}: {leak.name}"
)
def test_a_leak_in_training_or_after_it_is_caught(leak: Leak, tmp_path):
    with copy_with(leak, tmp_path) as lesson:
        assert leak.caught_by in broken(lesson, PROBES[leak.lesson], tmp_path, whole=True, only=leak.caught_by)
