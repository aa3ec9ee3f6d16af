"""Whatever is wrong with a file, reading it ends in a result or in one line that begins with the file: never a crash.

Hypothesis damages a good file of every kind. The fast tier tries some damages of each, always the same; the slow one
many more, and the files that only TensorFlow reads.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
from fake_runs import write_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from practicals.common.commands import rebuild_report
from practicals.common.config import PracticalConfig, load_config, read_yaml
from practicals.common.console import set_quiet
from practicals.common.data import archives, memory, seriescolumns
from practicals.common.data.archives import archive_problem
from practicals.common.data.cards import Card, CardFile, load_card
from practicals.common.data.fetch import Source
from practicals.common.data.kinds import infer_schema
from practicals.common.data.message_samples import written_messages
from practicals.common.data.messages import message_split, messages_to_predict, read_messages
from practicals.common.data.pictures import picture_split, pictures_to_predict, read_pictures
from practicals.common.data.rating_samples import rated_films
from practicals.common.data.ratings import ratings_split, ratings_to_predict, read_items, read_ratings, write_items
from practicals.common.data.rows import read_files, read_rows
from practicals.common.data.samples import churn as draw_customers
from practicals.common.data.series import read_file, read_series
from practicals.common.data.split import random_split, stratified_split
from practicals.common.data.tables import TableSchema
from practicals.common.errors import DataError, PracticalError
from practicals.common.explain.explanation import read_explanations
from practicals.common.files import write_json
from practicals.common.report.compare import compare_runs, comparison_text
from practicals.common.run import Run, finished_runs
from practicals.common.search import newest_unfinished

# What takes the place of a piece of the file: what programs that read text are known to stumble over.
PIECES = [
    *(b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b'""', b"\n", b"\r", b"\r\n\n", b",", b";", b"\t", b"=", b"-"),
    *(b"nan", b"-inf", b"1e999", b"-1", b"0", b"9" * 400, b"9" * 5000, b"1e-400", b"0x10", b"1_000", b"1,5", b"\xb2"),
    *("٣".encode(), "½".encode(), b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9", b"\x1b[31m", b"\xe2\x80\xae", b"<script>"),
    *(b"2014-13-45", b"99999-01-01", b"0000-00-00", b"1677-01-01", b"2262-12-31 25:61", b"32/13/2014", b"24:00"),
    *(b"null", b"true", b"[]", b"{}", b"[" * 3000, b"{'a':" * 400, b"&a [*a]", b"!!python/name:os.system", b"'"),
]
CELL = re.compile(rb"[^,;\t\r\n|:{}\[\]]+")

# (where in the file, 0 to 1; what happens there; how many bytes; what is put there)
DAMAGES = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from(["cut off", "cell", "cell", "replace", "flip", "remove", "repeat", "line"]),
        st.integers(1, 40),
        st.sampled_from(PIECES) | st.binary(max_size=8),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, damages: list[tuple[float, str, int, bytes]]) -> bytes:
    """Return the content with one damage after the other."""
    for share, what, length, piece in damages:
        at = int(share * len(content))
        if what == "cut off":
            content = content[:at]
        elif what == "cell" and (cell := CELL.search(content, at)):
            content = content[: cell.start()] + piece + content[cell.end() :]
        elif what == "flip":
            content = content[:at] + bytes(byte ^ 0xFF for byte in content[at : at + 1]) + content[at + 1 :]
        elif what == "repeat":
            content = content[:at] + content[at : at + length] * length + content[at:]
        elif what == "line":
            begin = content.rfind(b"\n", 0, at) + 1
            content = content[:begin] + content[at:]
        else:
            content = content[:at] + piece + content[at + (0 if what == "replace" else length) :]
    return content


@dataclass(frozen=True)
class Kind:
    """A kind of file: a good one, and everything that reads it."""

    name: str
    good: bytes
    read: Callable[[Path], object]


SCHEMA = TableSchema(("Age", "Balance"), ("Geography",), "Exited", classes=(0, 1), identifiers=("CustomerId",))
CUSTOMERS = draw_customers(rows=60, seed=9)[["CustomerId", "Geography", "Age", "Balance", "Exited"]]


def source(card: str, path: Path) -> Source:
    return Source(load_card(card), "own", path, "0" * 64)


def customers(path: Path) -> None:
    rows, facts = read_rows(source("churn", path), SCHEMA)
    stratified_split(rows, target="Exited", validation=0.2, test=0.2, seed=0, same_content=SCHEMA.features, facts=facts)


def customers_to_predict(path: Path) -> None:
    read_files([path], SCHEMA, {"Geography": {"France"}})


def any_table(path: Path) -> None:
    schema, _ = infer_schema(path, target="price")
    rows, facts = read_rows(source("kc_house", path), schema)
    random_split(rows, validation=0.1, calibration=0.2, test=0.2, seed=0, same_content=schema.features, facts=facts)


def series(path: Path) -> None:
    read_series(path, need_rows=5)


def series_to_continue(path: Path) -> None:
    read_file([path], need_rows=5, step="hour", counted=False)


def labelled(path: Path) -> None:
    messages, facts = read_messages(source("sms_spam", path))
    message_split(messages, facts, validation=0.2, test=0.2, seed=0)


def unlabelled(path: Path) -> None:
    messages_to_predict([path], "text")


def rated(path: Path) -> None:
    ratings, facts = read_ratings(source("movielens_100k", path))
    ratings_split(ratings, facts, how="last", validation=0.1, test=0.2, seed=0)


FILMS = rated_films(users=20, items=24, ratings=200).pairs
CATALOGUE = read_ratings(Source(load_card("movielens_100k"), "sample", None, None))[0].catalogue


def rated_anew(path: Path) -> None:
    ratings_to_predict(path, CATALOGUE)


def resize(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(Image.fromarray(pixels).resize((8, 8)))


def zipped_pictures(path: Path) -> None:
    picture_split(read_pictures(source("cats_dogs", path), size=8, resize=resize), validation=0.2, test=0.3, seed=0)


def one_picture(path: Path) -> None:
    found = pictures_to_predict([path], size=8, resize=resize)
    assert len(found) == 1
    assert bool(found.problems[0]) != bool(found.readable[0])


class SomeConfig(PracticalConfig):
    """Settings of a lesson that is none."""

    model_config = pydantic.ConfigDict(extra="ignore")
    hidden_layers: tuple[int, ...] = (8, 8)
    """Units."""
    learning_rate: float = 0.1
    """Speed."""


def config(path: Path) -> None:
    SomeConfig.from_values(read_yaml(path), str(path))
    load_config(SomeConfig, "churn", file=path)


def card(path: Path) -> None:
    content = read_yaml(path)
    with contextlib.suppress(ValueError):  # of pydantic: a card is a developer's file
        Card.model_validate(content)


def archive(path: Path) -> None:
    file = CardFile(
        path="a.zip", bytes=1000, sha256=(), urls=(), members_sha256="0" * 64, expanded_bytes=10_000
    )  # one that nothing matches
    assert isinstance(archive_problem(path, file), str)


def picture(form: str, shade: int = 0) -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(shade).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, form)
    return content.getvalue()


def packed(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), member)
    return content.getvalue()


def text_of(*lines: str) -> bytes:
    return "\n".join([*lines, ""]).encode()


HOUSES = ["id,price,sold,rooms,view,lat"] + [
    f"{n},{200_000 + 7919 * n % 90_000},2014{n % 12 + 1:02}13T000000,{n % 5},{'sea' if n % 3 else 'none'},47.{n}"
    for n in range(40)
]
HOURS = [f"2021-03-{1 + n // 24:02} {n % 24:02}:00,{100 + n * 37 % 50}" for n in range(60)]
PAGES = ["Page,2015-07-01,2015-07-02,2015-07-03,2015-07-04,2015-07-05,2015-07-06"] + [
    f"page {n},{n},4,{n * 3},,5,6" for n in range(4)
]
RATINGS = ["userId,movieId,rating,timestamp"] + [
    f"{FILMS.users[n]},{FILMS.items[n]},{FILMS.values[n]:g},{FILMS.times[n]:.0f}" for n in range(len(FILMS.users))
]
TEXTS, LABELS = written_messages(number=60)
MESSAGES = [f"{label}\t{text}" for label, text in zip(LABELS, TEXTS, strict=True)]
PICTURES = {f"{label}/{n}.png": picture("PNG", 10 * n + len(label)) for label in ("cat", "doggy") for n in range(9)}
SETTINGS = SomeConfig().to_yaml().encode()
CARD = Path(__file__).parents[1].joinpath("datasets", "movielens_100k.yaml").read_bytes()


KINDS = [
    Kind("customers.csv", CUSTOMERS.to_csv(index=False).encode(), customers),
    Kind("semicolons.csv", CUSTOMERS.to_csv(index=False, sep=";", decimal=",").encode("utf-16"), customers),
    Kind("to_predict.csv", CUSTOMERS.to_csv(index=False).encode("latin-1"), customers_to_predict),
    Kind("houses.csv", text_of(*HOUSES), any_table),
    Kind("hours.csv", text_of("time,visits", *HOURS), series),
    Kind("one_column.csv", text_of("visits", *(line.split(",")[1] for line in HOURS)), series),
    Kind("pages.csv", text_of(*PAGES), series),
    Kind("continued.csv", text_of("time,visits", *HOURS), series_to_continue),
    Kind("SMSSpamCollection", text_of(*MESSAGES), labelled),
    Kind("spam.csv", text_of("v1,v2", *(line.replace(",", " ").replace("\t", ",") for line in MESSAGES)), labelled),
    Kind("sms.zip", packed({"sms/SMSSpamCollection": text_of(*MESSAGES)}), labelled),
    Kind("unlabelled.txt", text_of(*TEXTS), unlabelled),
    Kind("unlabelled.csv", text_of("text,n", *(f'"{text}",1' for text in TEXTS)), unlabelled),
    Kind("ratings.csv", text_of(*RATINGS), rated),
    Kind(
        "ml-latest.zip",
        packed({"ml/ratings.csv": text_of(*RATINGS), "ml/movies.csv": b"movieId,title,genres\n1,A,B\n"}),
        rated,
    ),
    Kind("my_ratings.csv", text_of("title,rating", *(f'"{t}",4' for t in CATALOGUE.titles[:8])), rated_anew),
    Kind("pictures.zip", packed(PICTURES), zipped_pictures),
    *(Kind(f"picture.{form}", picture(form), one_picture) for form in ("png", "jpeg", "gif", "bmp", "webp", "tiff")),
    Kind("settings.yaml", SETTINGS, config),
    Kind("card.yaml", CARD, card),
    Kind("archive.zip", packed({"a": b"1" * 500}), archive),
]


# Files of a run folder: the folder's other files are whole.
RUN_FILES = [
    "metrics.json",
    "environment.json",
    "summary.json",
    "config.yaml",
    "history.csv",
    "predictions.csv",
    "baselines.csv",
    "explanations/shap_row.json",
]


def assert_refused_or_read(read: Callable[[], object], where: str) -> None:
    """Fail unless reading gives a result or one line that says where."""
    try:
        read()
    except PracticalError as error:
        assert where in str(error), f"{error!r} does not say which file"
        assert str(error).rstrip()[-1] in ".?)`'", f"{error!r} breaks off"
        assert str(error).isprintable(), f"{error!r} would steer the terminal"


def check(good: bytes, path: Path, read: Callable[[], object], where: str, examples: int) -> None:
    path.write_bytes(good)
    read()

    # The examples are the same in every run, and nothing is kept between runs.
    @settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(DAMAGES)
    def holds(damages: list[tuple[float, str, int, bytes]]) -> None:
        path.write_bytes(damaged(good, damages))
        assert_refused_or_read(read, where)

    set_quiet(True)
    holds()


def check_kind(kind: Kind, folder: Path, examples: int) -> None:
    path = folder / kind.name
    check(kind.good, path, lambda: kind.read(path), path.name, examples)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_damaged_file_is_read_or_refused_in_one_line(kind: Kind, tmp_path: Path) -> None:
    check_kind(kind, tmp_path, 18)


TEXT_KINDS = [kind for kind in KINDS if kind.name.endswith((".csv", ".txt", "Collection"))]
(PICTURE_KIND,) = (kind for kind in KINDS if kind.name == "pictures.zip")


@pytest.mark.parametrize("kind", TEXT_KINDS, ids=lambda kind: kind.name)
def test_a_text_that_the_memory_is_not_enough_for_is_refused_before_it_is_read(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / kind.name
    path.write_bytes(kind.good)
    monkeypatch.setattr(memory, "memory_bytes", lambda: memory.LEAST_NEED * len(kind.good) - 1)
    with pytest.raises(DataError) as error:
        kind.read(path)
    assert str(error.value).startswith(f"{path}: holds {len(kind.good):,} bytes; the memory of this machine")
    monkeypatch.setattr(memory, "memory_bytes", lambda: memory.LEAST_NEED * len(kind.good))
    kind.read(path)


@pytest.mark.parametrize("name", ["hours.csv.gz", "sms.zip", "ml-latest.zip"])
def test_an_archive_whose_text_does_not_fit_into_memory_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kind,) = (kind for kind in KINDS if kind.name == name.removesuffix(".gz"))
    path = tmp_path / name
    path.write_bytes(gzip.compress(kind.good) if name.endswith(".gz") else kind.good)
    monkeypatch.setattr(archives, "largest_text", lambda: 500)
    monkeypatch.setattr(seriescolumns, "largest_text", lambda: 500)
    with pytest.raises(DataError, match=r"^.*: (its member '.*' )?unpacks to more than 500 bytes"):
        kind.read(path)


@pytest.mark.parametrize("kind", [*TEXT_KINDS, PICTURE_KIND], ids=lambda kind: kind.name)
def test_memory_that_ends_while_a_file_is_read_is_told_in_one_line(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*arguments: object, **options: object) -> None:
        raise MemoryError

    path = tmp_path / kind.name
    path.write_bytes(kind.good)
    monkeypatch.setattr(Path, "read_bytes", no_memory)
    monkeypatch.setattr("practicals.common.data.picture_reading.find_in_cache", no_memory)
    with pytest.raises(DataError) as error:
        kind.read(path)
    assert str(error.value).startswith(
        f"{path}: does not fit into memory ({len(kind.good):,} bytes). Give a smaller file"
    )


@pytest.mark.slow(reason="thousands of damaged files of every kind")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_many_damaged_files_are_read_or_refused_in_one_line(kind: Kind, tmp_path: Path) -> None:
    check_kind(kind, tmp_path, 1000)


def run_with(folder: Path) -> Run:
    run = write_run(folder / "runs" / "churn" / "20260101T000000Z-aaaaaa")
    (run.folder / "baselines.csv").write_text("name,kind,roc_auc\nmajority,naive,0.5\n")
    write_json(run.summary_path, {**run.summary(), "task": "of no report"})  # sections take most of the time
    return run


def read_everything(run: Run) -> None:
    for read in (run.metrics, run.environment, run.summary, run.history, run.predictions, run.baselines):
        read()
    read_explanations(run)
    read_yaml(run.config_path)
    run.fingerprint()


@pytest.mark.parametrize("name", RUN_FILES)
def test_a_damaged_run_folder_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    run = run_with(tmp_path)
    path = run.folder / name
    check(path.read_bytes(), path, lambda: read_everything(run), str(run.folder), 25)


@pytest.mark.parametrize("name", RUN_FILES)
def test_a_damaged_run_never_keeps_the_others_from_being_compared(name: str, tmp_path: Path) -> None:
    run = run_with(tmp_path)
    write_run(tmp_path / "runs" / "churn" / "20260102T000000Z-bbbbbb")
    path = run.folder / name

    def compare() -> None:
        text = comparison_text(compare_runs(finished_runs(tmp_path / "runs", "churn")))
        assert "20260102T000000Z-bbbbbb" in text or "1 more" in text

    check(path.read_bytes(), path, compare, str(run.folder), 12)


@pytest.mark.slow(reason="hundreds of reports of damaged run folders")
@pytest.mark.parametrize("name", RUN_FILES)
def test_a_report_of_a_damaged_run_folder_is_made_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run.folder / "baselines.csv").write_text("name,kind,roc_auc\nmajority,naive,0.5\n")
    path = run.folder / name
    check(path.read_bytes(), path, lambda: rebuild_report(run), str(run.folder), 15)


def test_a_damaged_search_is_resumed_or_refused_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "churn" / "tune-20260101T000000Z-aaaaaa"
    folder.mkdir(parents=True)
    good = json.dumps({"strategy": "random", "trials": 3, "settings": {"epochs": 2}, "space": [1, 2]}).encode()
    path = folder / "search.json"
    check(good, path, lambda: newest_unfinished(tmp_path, "churn").asked(), str(folder), 40)


@pytest.mark.slow(reason="loads TensorFlow, and a model hundreds of times")
def test_a_damaged_model_is_loaded_or_refused_in_one_line(tmp_path: Path) -> None:
    import keras

    from practicals.common.layers import FillMissing
    from practicals.common.training import load_model, save_model

    inputs = keras.Input((2,))
    save_model(keras.Model(inputs, keras.layers.Dense(1)(FillMissing(1.0)(inputs))), tmp_path / "good.keras")
    path = tmp_path / "model.keras"
    good = (tmp_path / "good.keras").read_bytes()
    check(good, path, lambda: load_model(path), str(path), 40)
    # The same within the members, under checksums that are right again.
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name in members:
        inner = tmp_path / "member"

        def load(name: str = name, inner: Path = inner) -> None:
            path.write_bytes(packed({**members, name: inner.read_bytes()}))
            load_model(path)

        check(members[name], inner, load, str(path), 40)


@pytest.mark.slow(reason="loads TensorFlow")
def test_a_damaged_training_state_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    from practicals.common.training.state import read_state

    header = json.dumps({"identity": {}, "history": [], "watchers": [], "seconds": 1.0, "stopped": False})
    np.savez(tmp_path / "good.npz", header=np.array(header), network_0=np.ones((3, 2), "float32"))
    path = tmp_path / "training_state.npz"
    check((tmp_path / "good.npz").read_bytes(), path, lambda: read_state(path), str(path), 1000)


@pytest.mark.slow(reason="loads TensorFlow")
def test_damaged_word_vectors_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    from practicals.common.training.word_vectors import read_word_vectors

    path = tmp_path / "glove.txt"
    good = text_of(*(f"{word} 0.1 -0.{n} 1e-3" for n, word in enumerate(["win", "call", "free", "now", ".", ".", "."])))
    check(good, path, lambda: read_word_vectors(str(path), ["free", "call"]), str(path), 1000)


def test_damaged_items_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    write_items(path, CATALOGUE)
    check(path.read_bytes(), path, lambda: read_items(path, (1, 5)), str(path), 40)
