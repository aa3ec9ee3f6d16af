"""Settings of a lesson: typed, frozen, validated when read, and each knows where its value came from."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

import pydantic
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr
from pydantic_core import ErrorDetails

from practicals.common.errors import ConfigError, did_you_mean
from practicals.common.resources import resource_folder

LARGEST_SEED = 2**31 - 1
C = TypeVar("C", bound="PracticalConfig")
T = TypeVar("T")


Strategy = Literal["one", "mirrored"]


class Settings(BaseModel):
    """A group of settings: unknown names are errors, values cannot change after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class SplitSettings(Settings):
    """How rows are divided before anything is fitted."""

    seed: Annotated[int | None, Field(ge=0, le=LARGEST_SEED)] = None
    """Seed of the split alone; empty means that it follows `seed`."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of all rows that early stopping, tuning and the threshold may look at."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of all rows that is opened once, at the end."""

    @pydantic.model_validator(mode="after")
    def _leave_rows_to_train_on(self) -> Self:
        if self._held_out() >= 0.95:
            raise ValueError("validation, test and what else is held out must leave at least 5 % for training")
        return self

    def _held_out(self) -> float:
        return self.validation + self.test


class CalibratedSplit(SplitSettings):
    """How rows are divided where a prediction comes with an interval."""

    calibration: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of all rows that only sets the width of the intervals and is used for nothing else."""

    def _held_out(self) -> float:
        return super()._held_out() + self.calibration


class PracticalConfig(Settings):
    """Settings that every lesson has. A lesson's own class adds the rest, each with a sentence of description."""

    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    """The one seed: split, initial weights, dropout and the order of batches all follow from it."""
    data: str = "auto"
    """Where the rows come from: `auto`, `real`, `sample`, or the path of your own file."""
    split: SplitSettings = SplitSettings()
    """How rows are divided into training, validation and test part."""
    deterministic: bool = False
    """Ask TensorFlow for deterministic operations everywhere; slower, and compilation by XLA is then off."""
    mixed_precision: bool = False
    """Compute in 16 bit where that is safe: faster on recent GPUs, slower on a CPU."""
    strategy: Strategy = "one"
    """Train on `one` device, or with `mirrored` over all GPUs of this machine, each with a share of every batch."""
    tensorboard: bool = False
    """Also write logs for TensorBoard into the run folder."""

    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}
    """Setting -> its value -> other settings that go with this value unless the user says otherwise. Of two presets
    that name the same setting, the one that stands later here wins."""

    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def split_seed(self) -> int:
        """The seed of the split: its own where one is set, the run's otherwise."""
        return self.seed if self.split.seed is None else self.split.seed

    def source(self, setting: str) -> str:
        """Say where the value of a dotted setting came from: `default`, a file, or an option of the command line."""
        return self._sources.get(setting, "default")

    @classmethod
    def from_values(cls, values: Mapping[str, Any], source: str) -> Self:
        """Validate complete settings, such as those of a finished run; `source` is what an error message names."""
        return _validate(cls, dict(values), dict.fromkeys(flatten(values), source))

    def with_changes(self, changes: Mapping[str, Any], source: str) -> Self:
        """Return a validated copy with dotted settings replaced; `source` is what an error message names."""
        origins = _overlaid(self._sources, dict.fromkeys(changes, source))
        values = self.model_dump()
        for key, value in changes.items():
            _assign(values, key, value)
        return _validate(type(self), values, origins)

    def to_yaml(self) -> str:
        """Return the complete settings as YAML, in the order of the class."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, where plain YAML would silently keep the last, and all references.

    A few lines in which each refers to the one before several times expand without end.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "a reference such as *name is not taken", event.start_mark)
        return super().compose_node(parent, index)


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for node_of_key, _ in node.value:
        key = loader.construct_object(node_of_key, deep=True)
        problem = f"the key '{key}' stands twice" if isinstance(key, str) and key in seen else ""
        if not isinstance(key, str):
            problem = f"the key {key!r} is not a word"
        if problem:
            raise yaml.constructor.ConstructorError(None, None, problem, node_of_key.start_mark)
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def parse_yaml(text: str) -> Any:
    """Parse one YAML document safely: plain values only, no tag can build an object, no key may stand twice.

    Raises:
        yaml.YAMLError: it is not valid, or holds more than plain values.
    """
    try:
        return _UniqueKeyLoader(text).get_single_data()
    # What looks like a date or a number and is none, a tag that does not fit its value, brackets without end.
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise yaml.YAMLError(f"a value cannot be read ({type(error).__name__})") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping safely.

    Raises:
        ConfigError: the file is missing, not readable, not UTF-8, not YAML, or not a mapping of settings.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file. Give the path of a YAML file of settings.") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; a YAML file of settings was expected.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; a YAML file of settings was expected.") from None
    try:
        content = parse_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: is not valid YAML: {getattr(error, 'problem', None) or error}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path}: holds a {type(content).__name__}; a mapping of settings such as 'epochs: 50' was expected."
        )
    return content


def load_config(
    cls: type[C],
    name: str,
    *,
    file: Path | None = None,
    smoke: bool = False,
    sets: Sequence[str] = (),
    options: Mapping[str, tuple[str, Any]] | None = None,
) -> C:
    """Read the settings of one lesson: `configs/NAME.yaml`, a file of the user's, smoke, `--set`, then options.

    Args:
        cls: the lesson's settings class.
        name: the lesson's name.
        file: the user's `--config`.
        smoke: also apply `configs/smoke/NAME.yaml`, which shrinks a run to seconds.
        sets: texts `KEY=VALUE` as typed after `--set`; VALUE is read as YAML.
        options: setting -> (option as typed, value), e.g. `{"seed": ("--seed 3", 3)}`.

    Raises:
        ConfigError: names the file or option, the setting, what was expected and what came.
    """
    folder = resource_folder("configs")
    base = _from_file(folder / f"{name}.yaml", f"configs/{name}.yaml")
    layers = [_from_file(file, str(file))] if file else []
    if smoke:
        layers.append(_from_file(folder / "smoke" / f"{name}.yaml", f"configs/smoke/{name}.yaml"))
    layers += [*map(_from_option, sets), dict(options or {})]
    typed = {key: given for layer in layers for key, given in layer.items()}
    preset: dict[str, tuple[str, Any]] = {}
    for setting, choices in cls.presets.items():
        _, chosen = (base | preset | typed).get(setting, ("", None))
        for key, value in choices.get(str(chosen), {}).items():
            preset[key] = (f"{setting}: {chosen}", value)
    settings = functools.reduce(_overlaid, layers, base | preset)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key, (origin, value) in settings.items():
        _assign(values, key, value)
        origins[key] = origin
    return _validate(cls, values, origins)


def _from_file(path: Path, shown: str) -> dict[str, tuple[str, Any]]:
    return {key: (shown, value) for key, value in flatten(read_yaml(path)).items()}


def set_option(setting: str, value: str | Sequence[str]) -> str:
    """Return the option that gives a setting, for a message: quoted where YAML or a shell would take it otherwise."""
    listed = [value] if isinstance(value, str) else list(value)
    written = yaml.safe_dump(listed, default_flow_style=True, allow_unicode=True, width=10**9).strip()
    return "--set " + shlex.quote(f"{setting}={written[1:-1] if isinstance(value, str) else written}")


def _from_option(text: str) -> dict[str, tuple[str, Any]]:
    key, separator, raw = text.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set {text}: KEY=VALUE was expected, for example --set epochs=20.")
    try:
        values = flatten({key.strip(): parse_yaml(raw)})
    except yaml.YAMLError:
        raise ConfigError(f"--set {text}: the value is not valid YAML; put it in quotes if it is text.") from None
    return {setting: (f"--set {text}", value) for setting, value in values.items()}


def _overlaid(settings: Mapping[str, T], later: Mapping[str, T]) -> dict[str, T]:
    """Return dotted settings, each replaced by the later one of its name, or of a group that it is in or holds.

    Otherwise a file in which a group stands for a value would be mixed with what stood there before, and an error
    would name the wrong file.
    """
    result = dict(settings)
    for key, value in later.items():
        for other in [one for one in result if f"{one}.".startswith(f"{key}.") or key.startswith(f"{one}.")]:
            del result[other]
        result[key] = value
    return result


def _assign(values: dict[str, Any], dotted: str, value: Any) -> None:
    *groups, last = dotted.split(".")
    for group in groups:
        inner = values.get(group)
        if not isinstance(inner, dict):
            inner = values[group] = {}
        values = inner
    values[last] = value


def _validate(cls: type[C], values: dict[str, Any], origins: dict[str, str]) -> C:
    try:
        config = cls.model_validate(values)
    except pydantic.ValidationError as error:
        raise ConfigError(_one_line(cls, error.errors()[0], origins)) from None
    config._sources.update(origins)
    return config


def _one_line(cls: type[PracticalConfig], error: ErrorDetails, origins: Mapping[str, str]) -> str:
    names = [str(part) for part in error["loc"] if isinstance(part, str)]
    setting = ".".join(names)
    if not names:
        # Two settings that do not go together: the sentence names them, and the one that the user typed comes first.
        sentence = error["msg"].removeprefix("Value error, ")
        options = [origin for key, origin in origins.items() if origin.startswith("--") and key in sentence]
        return f"{options[0] if options else 'settings'}: {sentence}."
    # A union's branches appear in the location; the setting that the user typed is the longest known prefix.
    typed = next((".".join(names[:n]) for n in range(len(names), 0, -1) if ".".join(names[:n]) in origins), None)
    if typed is None:
        # A group was given where a value belongs, so only what stands in it was typed.
        typed = next((key for key in origins if key.startswith(f"{setting}.")), setting)
    origin = origins.get(typed, f"configuration of {cls.__name__}")
    named = setting if typed.startswith(f"{setting}.") else typed
    where = origin if origin.startswith("--") else f"{origin}: setting '{named}'"
    if error["type"] == "extra_forbidden":
        return f"{where}: {cls.__name__} has no setting '{setting}'.{did_you_mean(setting, describe(cls))}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "model_type":
        inside = [key for key in describe(cls) if key.startswith(f"{setting}.")]
        message = f"a group of settings was expected: {', '.join(inside)}"
    received = repr(error["input"])
    shown = received if len(received) <= 60 else received[:57] + "..."
    return f"{where}: {message[0].lower()}{message[1:]}. Received: {shown}."


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings with their groups opened: `{"split": {"seed": 1}}` is `{"split.seed": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def describe(cls: type[Settings], prefix: str = "") -> dict[str, str]:
    """Return dotted setting -> its sentence of description, groups opened, in the order of the class."""
    found: dict[str, str] = {}
    for name, field in cls.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            found.update(describe(inner, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = field.description or ""
    return found


def _each_at_least_one(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(value < 1 for value in values):
        raise ValueError("every layer needs at least 1 unit")
    return values


Activation = Literal["sigmoid", "tanh", "relu", "leaky_relu", "prelu"]
Initializer = Literal["glorot_uniform", "he_normal", "random_normal"]
Optimizer = Literal["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamax", "nadam", "ftrl"]
LayerSizes = Annotated[tuple[Annotated[int, Field(le=65_536)], ...], AfterValidator(_each_at_least_one)]
"""Units of each hidden layer, first to last."""
