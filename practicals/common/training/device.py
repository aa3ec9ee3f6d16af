"""Seeds, device and precision: what is set before a model is built."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import keras
import tensorflow as tf

from practicals.common import console

P = ParamSpec("P")
R = TypeVar("R")


def prepare(seed: int, *, deterministic: bool = False, mixed_precision: bool = False) -> str:
    """Seed everything, set up the device and the precision; call it before a model is built.

    Args:
        seed: seeds Python, NumPy and TensorFlow.
        deterministic: ask TensorFlow for deterministic operations. They cannot be switched off again in this
            process, and compilation by XLA must be off: pass `jit_compile=not deterministic` to `compile`.
        mixed_precision: compute in 16 bit, keep weights in 32 bit.

    Returns:
        The device in words, such as "CPU (2 cores)" or "GPU (NVIDIA H200)".
    """
    gpus = tf.config.list_physical_devices("GPU")
    # First of all, since TensorFlow takes the whole memory as soon as it computes anything.
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            console.warn("The GPU was in use before the run began, so its memory is not grown step by step.")
    if deterministic:
        tf.config.experimental.enable_op_determinism()
        console.say("Deterministic operations: compilation by XLA is off, and the numbers are a series of their own.")
    # What earlier models left behind, such as counters for the names of layers, must not show in this one. Over several
    # devices it stays, since clearing the session would end the scope that shares batches among them.
    if not tf.distribute.has_strategy():
        keras.backend.clear_session()
    # Every model is traced anew, on purpose; TensorFlow takes that for a mistake after a few.
    tf.get_logger().setLevel("ERROR")
    # Set in both cases: an earlier run in this process may have asked for the other.
    keras.config.set_dtype_policy("mixed_float16" if mixed_precision else "float32")
    keras.utils.set_random_seed(seed)
    if gpus:
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
        return f"GPU ({', '.join(names)})"
    return f"CPU ({_cores()} cores)"


def full_precision(build: Callable[P, R]) -> Callable[P, R]:
    """Make a function build its layers in 32 bit even under mixed precision: for raw numbers in the user's units."""

    @functools.wraps(build)
    def built(*arguments: P.args, **options: P.kwargs) -> R:
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float32")
        try:
            return build(*arguments, **options)
        finally:
            keras.config.set_dtype_policy(policy)

    return built


def _cores() -> int:
    # Those that this process may use; a container often has fewer than the machine.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
