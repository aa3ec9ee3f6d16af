"""The churn network explained on the built-in sample, whose truth is known: does an explanation find it?"""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest

from practicals import churn, load_model
from practicals.churn import ChurnConfig
from practicals.common.data.samples import CHURN_DRIVERS, CHURN_IRRELEVANT
from practicals.common.data.split import Split
from practicals.common.explain import Explanation
from practicals.common.training import save_model

CONFIG = ChurnConfig(data="sample")


@pytest.fixture(scope="module")
def split() -> Split[pd.DataFrame]:
    return churn.load(CONFIG)


@pytest.fixture(scope="module")
def model(split: Split[pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    """The network that the lesson trains with its default settings, as it comes back from its file."""
    path = tmp_path_factory.mktemp("run") / "model.keras"
    save_model(churn.try_out(CONFIG, split), path)
    return load_model(path)


@pytest.fixture(scope="module")
def explained(model: keras.Model, split: Split[pd.DataFrame]) -> dict[str, Explanation]:
    return churn.explain(model, split, CONFIG)


def by_name(explanation: Explanation) -> dict[str, float]:
    return {item.feature: item.contribution for item in explanation.attributions}


def test_the_true_drivers_come_first(explained: dict[str, Explanation]) -> None:
    found = by_name(explained["shap_global"])
    assert list(found)[:3] == list(CHURN_DRIVERS[:3]) == ["Age", "NumOfProducts", "IsActiveMember"]
    weakest = min(found[name] for name in CHURN_DRIVERS)
    strongest_irrelevant = max(found[name] for name in CHURN_IRRELEVANT)
    assert weakest > strongest_irrelevant
    assert found["Geography"] > 3 * strongest_irrelevant


def test_the_directions_are_those_of_the_process_that_made_the_sample(
    model: keras.Model, explained: dict[str, Explanation], split: Split[pd.DataFrame]
) -> None:
    explanation = explained["shap_global"]
    assert explanation.swarm is not None
    names = [item.feature for item in explanation.attributions]
    contributions = dict(zip(names, np.array(explanation.swarm.contributions).T, strict=True))
    rows = split.test.sort_index().head(200)  # the rows that the lesson explains
    for name, raised in {
        "IsActiveMember": rows["IsActiveMember"] == 0,
        "Geography": rows["Geography"] == "Germany",
        "Gender": rows["Gender"] == "Female",
        "Balance": rows["Balance"] > 0,
    }.items():
        assert contributions[name][raised].mean() > 0 > contributions[name][~raised].mean(), name


def test_shap_and_lime_agree_on_what_moves_the_likeliest_leaver_most(explained: dict[str, Explanation]) -> None:
    shap, lime = explained["shap_row"], explained["lime_row"]
    strongest = shap.attributions[0]
    assert strongest.feature in CHURN_DRIVERS
    assert abs(strongest.contribution) > 0.1
    assert np.sign(by_name(lime)[strongest.feature]) == np.sign(strongest.contribution)
    assert lime.attributions[0].feature == strongest.feature
    assert shap.subject == lime.subject
    assert shap.prediction == lime.prediction


def test_shap_adds_up_to_the_prediction_of_the_saved_model(
    model: keras.Model, explained: dict[str, Explanation], split: Split[pd.DataFrame]
) -> None:
    row = explained["shap_row"]
    said = churn.predict(model, split.test)["probability"]
    assert row.prediction == pytest.approx(said.loc[int(row.subject)], abs=1e-5)
    assert row.prediction == pytest.approx(said.max(), abs=1e-5), "by default the likeliest leaver is explained"
    assert row.base_value + sum(by_name(row).values()) == pytest.approx(row.prediction, abs=1e-5)

    swarm = explained["shap_global"].swarm
    assert swarm is not None
    totals = explained["shap_global"].base_value + np.sum(swarm.contributions, axis=1)
    np.testing.assert_allclose(totals, said.loc[split.test.sort_index().index[:200]], atol=1e-5)


def test_what_identifies_a_customer_and_the_answer_itself_are_no_features(explained: dict[str, Explanation]) -> None:
    for explanation in explained.values():
        assert set(by_name(explanation)) == set(churn.FEATURES)
