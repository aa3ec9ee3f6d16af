"""The forecast explained on the built-in sample, whose truth is known: does an explanation find what counts?"""

from __future__ import annotations

import keras
import numpy as np
import pytest

from practicals import load_model, web_traffic
from practicals.common.config import load_config
from practicals.common.data.series_samples import WEBTRAFFIC_LAGS
from practicals.common.data.split import Split
from practicals.common.data.windows import Windows
from practicals.common.explain import Explanation
from practicals.common.training import save_model
from practicals.web_traffic import WebTrafficConfig

# One hour ahead the truth is short: the last hour, and the same hour of yesterday.
CONFIG = load_config(
    WebTrafficConfig, "web_traffic", sets=["data=sample", "horizon=1", "members=1", "ladder=false", "epochs=3"]
)


@pytest.fixture(scope="module")
def split() -> Split[Windows]:
    return web_traffic.load(CONFIG)


@pytest.fixture(scope="module")
def model(split: Split[Windows], tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    """A network as the lesson trains it, as it comes back from its file."""
    path = tmp_path_factory.mktemp("run") / "model.keras"
    save_model(web_traffic.try_out(CONFIG, split), path)
    return load_model(path)


@pytest.fixture(scope="module")
def explained(model: keras.Model, split: Split[Windows]) -> dict[str, Explanation]:
    return web_traffic.explain(model, split, CONFIG)


def by_name(explanation: Explanation) -> dict[str, float]:
    return {item.feature: item.contribution for item in explanation.attributions}


def test_the_last_hour_and_the_same_hour_of_yesterday_come_first(explained):
    assert set(WEBTRAFFIC_LAGS) == {1, 24}
    found = by_name(explained["shap_global"])
    assert set(list(found)[:2]) == {"last hour", "24 hours ago"}
    others = {name: value for name, value in found.items() if name not in ("last hour", "24 hours ago")}
    idle = [others[f"{day} days ago"] for day in (4, 5, 6)]
    assert found["last hour"] > 2 * max(idle)
    assert found["24 hours ago"] > 1.5 * max(idle)


def test_the_last_day_carries_more_than_any_other(explained):
    blocks = by_name(explained["shap_global_blocks"])
    assert next(iter(blocks)) == "last day"
    assert blocks["last day"] > 2 * max(value for name, value in blocks.items() if name != "last day")


def test_contributions_add_up_to_what_predict_prints(model, explained, split):
    row = explained["shap_row"]
    newest = split.test[[int(split.test.origins.argmax())]]
    assert row.subject == newest.index[0] and row.unit == "sessions"
    said = float(web_traffic.predict(model, newest)["prediction"].mean())
    assert row.prediction == pytest.approx(said, rel=1e-6)
    assert row.base_value + sum(by_name(row).values()) == pytest.approx(row.prediction, rel=1e-5)


def test_parts_cover_the_window_and_the_calendar_is_no_part(explained):
    for explanation in explained.values():
        assert explanation.window is not None
        covered = sorted(place for start, stop in explanation.window.places for place in range(start, stop))
        assert covered == list(range(168))


def test_a_changed_last_hour_moves_its_own_contribution_in_its_direction(model, split):
    newest = split.test[[int(split.test.origins.argmax())]]
    values = newest.table.values.copy()
    values[0, newest.origins[0] - 1] *= 1.5
    table = type(newest.table)(newest.table.names, values, newest.table.times, newest.table.step, newest.table.unit)
    raised = Windows(table, newest.series, newest.origins, window=168, horizon=1, cycle=168)
    found = [
        by_name(web_traffic.explain(model, split, CONFIG, row=row, methods=("shap",))["shap_row"])["last hour"]
        for row in (newest, raised)
    ]
    assert found[1] > found[0] + 0.1 * np.abs(values[0, newest.origins[0] - 1])
