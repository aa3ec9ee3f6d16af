"""What explanations of tables and of forecasts share: the names of the methods, and whether the two tell one story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from practicals.common.errors import PracticalError, did_you_mean
from practicals.common.explain.checks import agreement_check
from practicals.common.explain.explanation import Explanation

METHODS = ("shap", "lime")


def check_methods(methods: Sequence[str], known: Sequence[str] = METHODS) -> None:
    """Check that each method is one of those known.

    Raises:
        PracticalError: one is not.
    """
    for method in methods:
        if method not in known:
            raise PracticalError(f"{method}: there is no such method of explanation.{did_you_mean(method, known)}")


def with_agreement(features: Sequence[str], found: Mapping[str, Explanation]) -> dict[str, Explanation]:
    """Where both methods explained one prediction, put their agreement beside each.

    Args:
        features: all names, in any order.
        found: explanations, of which `shap_row` and `lime_row` are compared.
    """
    both = [found[name] for name in ("shap_row", "lime_row") if name in found]
    if len(both) < 2:
        return dict(found)
    by_name = [{item.feature: item.contribution for item in explanation.attributions} for explanation in both]
    shap, lime = (np.array([named[feature] for feature in features]) for named in by_name)
    size = max(abs(both[0].prediction), abs(both[0].base_value))
    check = agreement_check(shap, lime, size=size, words=both[0].words)
    together = {name: replace(found[name], checks=(*found[name].checks, check)) for name in ("shap_row", "lime_row")}
    return {**found, **together}
