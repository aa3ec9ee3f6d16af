"""One self-contained HTML page about one run. A task is a list of sections; a section without material is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from practicals.common.files import write_text
from practicals.common.report import binary, forecast, messages, pictures, ratings, regression, sections
from practicals.common.report.explained import explanations
from practicals.common.report.material import Material, Section, read_material
from practicals.common.report.templates import page_environment
from practicals.common.report.words import NONE, duration, metric_label, number, verdict_sentence
from practicals.common.run import Run

BEFORE = (sections.ladder, sections.data, sections.architecture, sections.scores, sections.learning_curves)
AFTER = (explanations, sections.settings, sections.environment, sections.reproduce)
SECTIONS: dict[str, tuple[Callable[[Material], Section | None], ...]] = {
    "binary": (*BEFORE, binary.ranking, binary.decisions, binary.calibration, binary.threshold, *AFTER),
    "regression": (*BEFORE, *regression.SECTIONS, *AFTER),
    "forecast": (*BEFORE, *forecast.SECTIONS, *AFTER),
    "pictures": (
        *(pictures.data if section is sections.data else section for section in BEFORE),
        *pictures.SECTIONS,
        *AFTER,
    ),
    "messages": (sections.ladder, sections.data, messages.steps, *BEFORE[2:], *messages.SECTIONS, *AFTER),
    "ratings": (
        *({sections.data: ratings.data, sections.scores: ratings.scores}.get(section, section) for section in BEFORE),
        *ratings.SECTIONS,
        *AFTER,
    ),
}
"""Task of a run -> its sections in order. A new task is a new entry; one not listed gets the common sections."""


def build_report(run: Run, metrics: dict[str, Any] | None = None) -> Path:
    """Write `report.html` and `plots/*.svg` from the files of a run folder, and return the page's path.

    The same folder gives the same bytes.

    Args:
        run: the run's folder.
        metrics: what `metrics.json` will hold, where it is not written yet since it comes last.

    Raises:
        RunError: a file that the report needs is missing or damaged.
    """
    material = read_material(run, metrics)
    found = [build(material) for build in SECTIONS.get(material.summary.get("task", ""), (*BEFORE, *AFTER))]
    shown = [section for section in found if section is not None]
    environment = page_environment()
    environment.globals["things"] = (material.summary.get("data") or {}).get("things") or "rows"
    macros: Any = environment.get_template("sections.html.j2").module
    parts = [(section, getattr(macros, section.template)(**section.values)) for section in shown]
    page = environment.get_template("page.html.j2").render(parts=parts, **_head(material))
    write_text(run.report_path, page)
    return run.report_path


def _head(material: Material) -> dict[str, Any]:
    """Return what stands above the sections: title, banner, verdict, and the run in five numbers."""
    metrics, environment = material.metrics, material.environment
    data = environment.get("data") or {}
    verdict = metrics.get("verdict")
    return {
        "practical": metrics.get("practical") or environment.get("practical"),
        "title": material.summary.get("title") or environment.get("title") or environment.get("practical"),
        "lesson": material.summary.get("lesson"),
        "run_name": material.run.folder.name,
        "data_kind": data.get("kind"),
        "data_file": data.get("file"),
        "verdict": verdict,
        "sentence": verdict_sentence(metrics) if verdict else None,
        "interval": _interval(metrics) if verdict else None,
        "tiles": _tiles(metrics),
    }


def _tiles(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    primary = metrics["primary"]["metric"]
    label = metric_label(primary, metrics["primary"].get("unit") or "")
    tiles = [(f"{label}, network", number((metrics.get("test") or {}).get(primary)))]
    against = (metrics.get("verdict") or {}).get("against")
    if against:
        tiles.append((f"{label}, {against}", number((metrics.get("baselines") or {}).get(against, {}).get(primary))))
    tiles.append(("epochs", f"{metrics['epochs']:,}" if metrics.get("epochs") is not None else NONE))
    tiles.append(("time to fit", duration((metrics.get("seconds") or {}).get("fit"))))
    return tiles


def _interval(metrics: dict[str, Any]) -> dict[str, float]:
    """Return where the interval of the difference stands on a scale from 0 to 100 with no difference at 50.

    Better is to the right, whether more or less is better in the metric.
    """
    verdict = metrics["verdict"]
    sign = 1.0 if metrics["primary"]["direction"] == "max" else -1.0
    low, high = sorted(sign * bound for bound in verdict["interval_95"])
    reach = 1.2 * max(abs(low), abs(high), 1e-12)
    places = {"low": low, "middle": sign * verdict["difference"], "high": high}
    return {name: round(50 + 50 * value / reach, 2) for name, value in places.items()}
