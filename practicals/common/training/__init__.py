"""Seeds and device, batches, the training state of a resumed fit, saved models."""

from practicals.common.training.batches import EpochOrder, batches_in_order, shuffled_batches
from practicals.common.training.device import full_precision, prepare
from practicals.common.training.models import load_model, predict_batches, save_model
from practicals.common.training.optimizers import make_optimizer
from practicals.common.training.state import Throttle, TrainingState, read_state, written_whole
from practicals.common.training.strategy import on_one_device, over_devices

__all__ = [
    "EpochOrder",
    "Throttle",
    "TrainingState",
    "batches_in_order",
    "full_precision",
    "load_model",
    "make_optimizer",
    "on_one_device",
    "over_devices",
    "predict_batches",
    "prepare",
    "read_state",
    "save_model",
    "shuffled_batches",
    "written_whole",
]
