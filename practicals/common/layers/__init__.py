"""Keras layers that carry what a prediction needs beyond weights. Registered, so `model.keras` loads in safe mode."""

from practicals.common.layers.answers import DecisionThreshold, Intervals, Labels
from practicals.common.layers.pictures import ResizePixels, SmallAtFirst
from practicals.common.layers.registered import PACKAGE
from practicals.common.layers.series import Clock, FromLogRatio, LogChanges, LogRatio, SlideWindow
from practicals.common.layers.tables import FillMissing, Spline
from practicals.common.layers.text import CleanText, DropWords, PadInFront, Pieces

__all__ = [
    "PACKAGE",
    "CleanText",
    "Clock",
    "DecisionThreshold",
    "DropWords",
    "FillMissing",
    "FromLogRatio",
    "Intervals",
    "Labels",
    "LogChanges",
    "LogRatio",
    "PadInFront",
    "Pieces",
    "ResizePixels",
    "SlideWindow",
    "SmallAtFirst",
    "Spline",
]
