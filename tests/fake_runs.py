"""Finished run folders without a network: 1,000 made-up customers, as the churn practical writes them; and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from practicals.common.data.pictures import Pictures, PictureStore
from practicals.common.explain import Attribution, Check, Explanation, Swarm
from practicals.common.metrics import binary_scores
from practicals.common.run import Run

FEATURES = ("Age", "NumOfProducts", "IsActiveMember", "Balance", "Geography", "Gender", "CreditScore", "Tenure")
SHAP_VALUES = (0.112, -0.083, 0.051, 0.034, -0.021, 0.012, -0.004, 0.002)
VALUE_TEXTS = ("42 years", "2 products", "0", "83,807.86 EUR", "France", "Female", "608", "1 year")
HOSTILE = "<script>alert('x')</script> \"quoted\" & $x_1$ שלום " + "very_long_" * 12


def _predictions(seed: int, threshold: float) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    truth = (generator.random(300) < 0.2).astype(int)
    probability = np.clip(0.2 + 0.25 * truth + 0.16 * generator.standard_normal(300), 0.001, 0.999)
    return pd.DataFrame(
        {
            "id": np.arange(300),
            "part": ["validation"] * 100 + ["test"] * 200,
            "truth": truth,
            "prediction": probability,
            "decision": (probability >= threshold).astype(int),
        }
    )


def _history(epochs: int) -> pd.DataFrame:
    epoch = np.arange(epochs)
    fall = np.exp(-epoch / 6)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "accuracy": 0.87 - 0.08 * fall,
            "auc": 0.88 - 0.2 * fall,
            "loss": 0.30 + 0.25 * fall - 0.0006 * epoch,
            "val_accuracy": 0.86 - 0.07 * fall,
            "val_auc": 0.865 - 0.18 * fall,
            "val_loss": 0.33 + 0.22 * fall + 0.0007 * np.maximum(epoch - 26, 0),
        }
    )


def _explanations(run: Run, seed: int) -> None:
    generator = np.random.default_rng(seed)
    shades = generator.random((150, len(FEATURES)))
    swarm = shades * np.asarray(SHAP_VALUES) * 3 - np.asarray(SHAP_VALUES)
    rows: list[tuple[float | None, ...]] = [
        tuple(None if name in ("Geography", "Gender") else float(v) for name, v in zip(FEATURES, row, strict=True))
        for row in shades
    ]
    everywhere = Explanation(
        method="shap",
        scope="global",
        subject="",
        unit="probability",
        prediction=0.21,
        base_value=0.2,
        attributions=tuple(Attribution(name, "", abs(v)) for name, v in zip(FEATURES, SHAP_VALUES, strict=True)),
        checks=(Check("rank correlation", 0.97, 0.9, True, "Two explainers agree on the order of the columns."),),
        swarm=Swarm(tuple(tuple(float(v) for v in row) for row in swarm), tuple(rows)),
    )
    row = Explanation(
        method="shap",
        scope="row",
        subject="15634602",
        unit="probability",
        prediction=0.2 + sum(SHAP_VALUES),
        base_value=0.2,
        attributions=tuple(map(Attribution, FEATURES, VALUE_TEXTS, SHAP_VALUES)),
        checks=(),
    )
    lime = Explanation(
        method="lime",
        scope="row",
        subject="15634602",
        unit="probability",
        prediction=0.303,
        base_value=0.18,
        attributions=(
            Attribution("Age", "37 to 44 years", 0.092),
            Attribution("NumOfProducts", "over 1 product", -0.071),
            Attribution("IsActiveMember", "0", 0.044),
        ),
        checks=(Check("local fit", 0.31, 0.5, False, "The straight-line model explains little of what happens here."),),
    )
    everywhere.write(run, "shap_global")
    row.write(run, "shap_row")
    lime.write(run, "lime_row")


def _summary(text: str, curves: dict[str, Any]) -> dict[str, Any]:
    thresholds = np.linspace(0, 1, 51)
    return {
        "title": f"Which bank customers will leave? {text}".strip(),
        "task": "binary",
        "classes": ["stays", f"leaves{text}"],
        "lesson": f"Practical 1. Which bank customers will leave?\n\nIdea:    a small dense network. {text}",
        "data": {
            "rows": 1000,
            "parts": {"train": 700, "validation": 100, "test": 200},
            "class_counts": {
                part: {"stays": rows * 4 // 5, f"leaves{text}": rows // 5}
                for part, rows in (("train", 700), ("validation", 100), ("test", 200))
            },
            "head": {
                "columns": ["CustomerId", "Surname", *FEATURES, "Exited"],
                "rows": [["1563460" + str(i), f"Hargrave{text}", *VALUE_TEXTS, "1"] for i in range(5)],
            },
            "missing": {"Age": 3, f"Balance{text}": 1},
            "dropped_columns": ["RowNumber", "CustomerId", f"Surname{text}"],
            "duplicates": 2,
            "notes": [f"Churn.csv: 2 rows have no target and are left out. {text}"],
        },
        "architecture": [
            {
                "layer": "splines",
                "kind": "InputLayer",
                "output_shape": "(batch, 64)",
                "parameters": 0,
                "arithmetic": "",
            },
            {
                "layer": f"dense_1{text}",
                "kind": "Dense",
                "output_shape": "(batch, 64)",
                "parameters": 4160,
                "arithmetic": "64 x 64 weights + 64 biases",
            },
            {
                "layer": "probability",
                "kind": "Dense",
                "output_shape": "(batch, 1)",
                "parameters": 65,
                "arithmetic": "64 x 1 weights + 1 bias",
            },
        ],
        "ladder": [
            _step("majority", "naive", "Always says “stays”.", 0.5, None, 0.5),
            _step("logistic regression", "classical", "One weight per column.", 0.7712, 0.2712, 0.7655),
            _step("gradient boosting", "classical", f"Three hundred small trees. {text}", 0.8641, 0.0929, 0.8633),
            _step("course", "course", "The slide's network: Dense(6), Dense(1).", 0.8402, None, 0.8388),
            _step(
                "splines", "step", "Opens each number into bumps, so that a curve can be drawn.", 0.8588, 0.0186, None
            ),
            _step("dropout", "step", "Silences neurons at random.", 0.8557, -0.0031, None),
            _step("improved", "final", "All steps together.", 0.8702, 0.03, 0.8699),
        ],
        "threshold": {
            "value": 0.31,
            "rule": "f1",
            "sentence": f"It has the best F1 on the validation rows. {text}",
            "curve": {
                "threshold": thresholds.tolist(),
                "f1": (4 * thresholds * (1 - thresholds) * 0.62).tolist(),
                "precision": (0.2 + 0.75 * thresholds).tolist(),
                "recall": (1 - thresholds**1.5).tolist(),
                "cost_eur_per_customer": (90 * (thresholds - 0.31) ** 2 + 40).tolist(),
            },
        },
        "imbalance": f"`none`: the probabilities stay as frequent as in the training rows. {text}",
        "fit": {
            "best_epoch": 26,
            "epochs": 42,
            "monitor": "val_loss",
            "sentence": f"No overfitting to speak of: roc_auc 0.8812 on training rows, 0.8702 on validation. {text}",
        },
        "baseline_curves": {f"gradient boosting{text}": curves},
        "settings": [
            {"name": "epochs", "value": "200", "source": "default", "description": "Most passes over the rows."},
            {
                "name": "dropout",
                "value": "0.2",
                "source": f"--set dropout=0.2{text}",
                "description": f"A share. {text}",
            },
        ],
    }


def _step(name: str, kind: str, why: str, validation: float, gain: float | None, test: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "why": why,
        "validation": validation,
        "gain": gain,
        "test": test,
        "seconds": 1.4,
    }


def write_run(
    folder: Path,
    *,
    kind: str = "real",
    result: str = "better",
    text: str = "",
    validation: float = 0.8702,
    test: float = 0.8699,
    seed: int = 0,
    split_seed: int = 0,
    changes: str = "",
    sha256: str = "ab" * 32,
) -> Run:
    """Write a finished run folder and return it.

    Args:
        folder: the run folder; it is made.
        kind: `real`, `sample` or `own`.
        result: of the verdict.
        text: put into every text that may come from data or from the user.
        validation: primary score on validation rows.
        test: primary score on test rows.
        seed: the run's seed.
        split_seed: the seed of the split.
        changes: further lines of `config.yaml`.
        sha256: hash of the data.
    """
    run = Run(folder)
    for inner in ("plots", "explanations"):
        (folder / inner).mkdir(parents=True)
    predictions = _predictions(seed, 0.31)
    rows = predictions[predictions["part"] == "test"]
    generator = np.random.default_rng(7)
    other = np.clip(rows["prediction"] + 0.08 * generator.standard_normal(len(rows)), 0, 1)
    fpr, tpr, _ = roc_curve(rows["truth"], other)
    precision, recall, _ = precision_recall_curve(rows["truth"], other)
    curves = {
        "roc": {"fpr": fpr.tolist(), "tpr": tpr.tolist()},
        "pr": {"precision": precision.tolist(), "recall": recall.tolist()},
    }
    run.write_config(f"seed: {seed}\ndata: auto\nsplit:\n  seed: null\n  validation: 0.1\n  test: 0.2\n{changes}")
    run.write_environment(
        {
            "practical": "churn",
            "title": "Which bank customers will leave?",
            "versions": {"python": "3.11.9", "tensorflow": "2.21.0", "keras": "3.15.1"},
            "device": "CPU (2 cores)",
            "seed": seed,
            "split": {"seed": split_seed, "validation": 0.1, "test": 0.2},
            "commit": "0123abc",
            "platform": "Linux",
            "cores": 2,
            "command": f"practicals run churn --seed {seed} {text}".strip(),
            "data": {
                "kind": kind,
                "file": f"Churn_Modelling.csv{text}",
                "sha256": sha256,
                "rows": 1000,
                "licence": f"CC0 {text}",
                "citation": f"A bank of nowhere, https://example.org/churn {text}",
                "notes": [],
            },
            "test_scored_before": 3,
        }
    )
    run.write_table(run.history_path, _history(42))
    run.write_table(run.predictions_path, predictions)
    _explanations(run, seed)
    run.write_summary(_summary(text, curves))
    ours = binary_scores(rows["truth"], rows["prediction"], 0.31)
    theirs = binary_scores(rows["truth"], other, 0.31)
    against = f"gradient boosting{text}"
    difference, interval = {
        "better": (0.0066, [0.0012, 0.0121]),
        "worse": (-0.0121, [-0.0204, -0.0033]),
        "no clear difference": (0.0012, [-0.0041, 0.0064]),
    }[result]
    run.write_metrics(
        {
            "practical": "churn",
            "data": kind,
            "seed": seed,
            "train": {**ours, "roc_auc": 0.8812},
            "validation": {**ours, "roc_auc": validation},
            "test": {**ours, "roc_auc": test},
            "baselines": {
                "majority": {**theirs, "roc_auc": 0.5},
                "logistic regression": {**theirs, "roc_auc": 0.7655},
                against: {**theirs, "roc_auc": 0.8633},
            },
            "primary": {"metric": "roc_auc", "direction": "max"},
            "verdict": {"against": against, "result": result, "difference": difference, "interval_95": interval},
            "epochs": 42,
            "seconds": {"fit": 7.3, "total": 21.0},
        }
    )
    return run


def write_pictures_store(folder: Path, pixels: np.ndarray[Any, Any]) -> PictureStore:
    """Write pixels (n, h, w, 3) as the store that a `Pictures` reads from."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pixels.npy", pixels)
    return PictureStore(folder / "pixels.npy", pixels.shape)


def drawn_pictures(
    folder: Path, labels: Sequence[int], classes: Sequence[str], *, side: int = 24, seed: int = 0
) -> Pictures:
    """Return noisy pictures with stripes, down for even classes and across for odd ones, wider for higher classes."""
    generator = np.random.default_rng(seed)
    place = np.arange(side)
    pixels = generator.integers(0, 120, (len(labels), side, side, 3), dtype=np.uint8)
    for one, label in zip(pixels, labels, strict=True):
        stripe = (place // (3 + label // 2) + generator.integers(0, 2)) % 2 == 0
        (one if label % 2 else one.transpose(1, 0, 2))[:, stripe] += 120
    files = [f"training_set/{classes[label]}/{classes[label]}.{number}.png" for number, label in enumerate(labels)]
    return Pictures(
        write_pictures_store(folder, pixels),
        np.arange(len(labels)),
        labels=np.asarray(labels),
        classes=tuple(classes),
        files=files,
        problems=[""] * len(files),
        index=pd.Index(files),
    )
