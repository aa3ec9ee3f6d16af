"""Files that were made to do harm: nothing is written outside, nothing runs, nothing is taken for markup, and the
answer is a result or one line."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_runs import write_run
from PIL import Image, PngImagePlugin

from practicals.common.cli import main
from practicals.common.config import PracticalConfig, load_config, read_yaml
from practicals.common.data import message_files, rating_files, seriescolumns
from practicals.common.data.cards import load_card
from practicals.common.data.fetch import Source, locate
from practicals.common.data.message_samples import written_messages
from practicals.common.data.messages import read_messages
from practicals.common.data.picture_decode import Unreadable, decode
from practicals.common.data.pictures import pictures_to_predict, read_pictures
from practicals.common.data.rating_samples import rated_films
from practicals.common.data.ratings import read_ratings
from practicals.common.data.samples import churn as draw_customers
from practicals.common.data.samples import kc_house as draw_houses
from practicals.common.data.series import read_series
from practicals.common.errors import ConfigError, DataError, PracticalError, RunError
from practicals.common.run import Run, finished_runs

ROOT = Path(__file__).parents[1]
EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"
# A folder's name may hold all of this, and often enough it does.
ODD_NAME = 'my data, it\'s "ünï"\n& <b>50 %</b>'


def own(card: str, path: Path) -> Source:
    return Source(load_card(card), "own", path, "0" * 64)


def png(text: tuple[str, str] | None = None, size: tuple[int, int] = (16, 16), seed: int = 0) -> bytes:
    content, info = io.BytesIO(), PngImagePlugin.PngInfo()
    if text:
        info.add_text(*text, zip=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, "PNG", pnginfo=info)
    return content.getvalue()


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def resize(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(Image.fromarray(pixels).resize((8, 8)))


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# Archives

TEXTS, LABELS = written_messages(number=60)
MESSAGES = "".join(f"{label}\t{text}\n" for label, text in zip(LABELS, TEXTS, strict=True)).encode()
PAIRS = rated_films(users=20, items=24, ratings=200).pairs
RATINGS = pd.DataFrame({"user": PAIRS.users, "item": PAIRS.items, "rating": PAIRS.values}).to_csv(index=False).encode()
PICTURES = {f"{name}/{number}.png": png(seed=number) for name in ("cat", "doggy") for number in range(3)}
READERS: dict[str, tuple[dict[str, bytes], Callable[[Path], object]]] = {
    "messages": ({"SMSSpamCollection": MESSAGES}, lambda path: read_messages(own("sms_spam", path))),
    "ratings": ({"ratings.csv": RATINGS}, lambda path: read_ratings(own("movielens_100k", path))),
    "pictures": (PICTURES, lambda path: read_pictures(own("cats_dogs", path), size=8, resize=resize)),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("evil", ["../evil.csv", "/tmp/evil.csv", "a/../../evil.png", "..\\evil.png", "C:\\evil.png"])  # noqa: S108
def test_an_archive_never_writes_outside_nor_beside_itself(kind: str, evil: str, tmp_path: Path) -> None:
    members, read = READERS[kind]
    folder = tmp_path / "below" / "deep"
    folder.mkdir(parents=True)
    path = packed(folder / "data.zip", {**members, evil: next(iter(members.values()))})
    before = everything(tmp_path)
    try:
        read(path)
    except DataError as error:
        assert str(path) in str(error)
    assert everything(tmp_path) == before
    assert not Path("/tmp/evil.csv").exists()  # noqa: S108


@pytest.mark.parametrize(("kind", "module"), [("messages", message_files), ("ratings", rating_files)])
def test_an_archive_that_expands_without_end_is_refused(
    kind: str, module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGEST", 1_000_000)
    members, read = READERS[kind]
    path = packed(tmp_path / "bomb.zip", {next(iter(members)): b"a,b,c\n" * 200_000})
    with pytest.raises(DataError, match="unpacks to more than 1,000,000 bytes"):
        read(path)


def test_a_packed_series_that_expands_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seriescolumns, "_LARGEST_TEXT", 1_000_000)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"time,value\n" + b"2020-01-01,1\n" * 100_000))
    with pytest.raises(DataError, match="unpacks to more than 1,000,000 bytes"):
        read_series(tmp_path / "bomb.csv.gz")


def test_a_picture_with_an_enormous_comment_costs_nothing() -> None:
    with pytest.raises(Unreadable):
        decode(png(("comment", "x" * 100_000_000)))


# YAML

TAGGED = [
    "!!python/object/apply:os.system [touch evil]",
    "!!python/name:os.system",
    "!!python/object/new:subprocess.Popen [[touch, evil]]",
    "!!python/module:os",
    "!<tag:yaml.org,2002:python/object/apply:os.system> [touch evil]",
]
# What plain YAML reads as a value that does not exist, or as more than fits.
IMPOSSIBLE = [
    *("2014-13-45", "0000-00-00", "2001-01-01T25:00:00Z", "0x_", "0b_", "9" * 5000, "!!int abc", "!!float x"),
    *("!!bool x", "!!timestamp x", "[" * 3000),
]


class SomeConfig(PracticalConfig):
    """Settings of a lesson that is none."""

    epochs: int = 3
    """Rounds."""


@pytest.mark.parametrize("value", TAGGED + IMPOSSIBLE, ids=lambda value: value[:20])
def test_yaml_builds_nothing_but_plain_values_and_says_so_in_one_line(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "settings.yaml"
    path.write_text(f"seed: 1\nepochs: {value}\n")
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}, line 2: " if value in TAGGED else str(path))
    with pytest.raises(ConfigError, match=r"^--set epochs="):
        load_config(SomeConfig, "churn", sets=[f"epochs={value}"])
    assert everything(tmp_path) == {"settings.yaml"}


# Each level holds the one before nine times; in memory they are shared.
LISTS = (
    "epochs: {"
    + ", ".join(["a0: &a0 [lol]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 13))])
    + "}\n"
)
MAPPINGS = (
    "epochs: {"
    + ", ".join(
        [
            "a0: &a0 {b: 1}",
            *(f"a{n}: &a{n} {{{', '.join(f'k{k}: *a{n - 1}' for k in range(9))}}}" for n in range(1, 13)),
        ]
    )
    + "}\n"
)


@pytest.mark.parametrize("bomb", [LISTS, MAPPINGS], ids=["lists", "mappings"])
def test_yaml_that_expands_without_end_is_refused(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(bomb)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from practicals.common.config import PracticalConfig, load_config\n"
        "from practicals.common.errors import ConfigError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (5, 5))\n"
        "class Some(PracticalConfig):\n    model_config = {'extra': 'ignore'}; epochs: int = 3\n"
        "try: load_config(Some, 'churn', file=Path(sys.argv[1]))\n"
        "except ConfigError as error: print(error)\n"
    )
    pytest.importorskip("resource", reason="Windows has no such limits")
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-500:] or "it needed more than 5 s of the processor"
    assert done.stdout.startswith(str(path)) and len(done.stdout) < 500


# Text


class Tags(HTMLParser):
    """Collects the tags of a page, with their attributes, and all text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    found = Tags(html)
    assert EVIL not in html
    assert not [tag for tag, attributes in found.tags if any(name.startswith("on") for name in attributes)]
    assert not [attributes for tag, attributes in found.tags if tag == "img" and attributes.get("src") == "x"]
    # Only the comparison has a script, its own.
    assert "alert" not in "".join(html.split("<script")[1:2]).split("</script")[0]


@pytest.mark.parametrize("name", ["a\x1b[31mb.csv", "a\x9bb.csv", "a\x07b.csv", "a\u202eb.csv"])
def test_a_name_never_steers_the_terminal(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", name, "--runs", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()


def test_a_cell_never_steers_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("us\x9b31mer,item,rating\n1,2,3\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_ratings(own("movielens_100k", path))
    assert str(caught.value).isprintable()


# Names of files

BAD_NAMES = {
    "blank": "a b.csv",
    "line": "a\nb.csv",
    "letters": "zoë 数据.csv",
    "quotes": 'it\'s "a".csv',
    "dash": "-x.csv",
}


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_file_of_any_name_is_read_and_its_errors_are_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("time,value\n" + "".join(f"2021-03-01 {hour:02}:00,{hour % 7}\n" for hour in range(24)))
    assert read_series(locate(load_card("webtraffic"), str(path)).path or Path()).rows == 24
    path.write_text("time,value\n2021-03-01,old\n")
    with pytest.raises(DataError) as caught:
        read_series(path)
    assert len(str(caught.value).splitlines()) == 1


def test_runs_in_a_folder_of_any_name_are_compared_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = ODD_NAME
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / name / "churn" / "20260101T000000Z-aaaaaa")
    assert main(["report", str(run.folder)]) == 0
    assert main(["compare", f"--runs={name}"]) == 0
    page = tmp_path / name / "compare.html"
    links = [
        attributes.get("href") or "" for tag, attributes in Tags(page.read_text(encoding="utf-8")).tags if tag == "a"
    ]
    assert "churn/20260101T000000Z-aaaaaa/report.html" in links


@pytest.mark.slow(reason="starts three programs")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is text")
def test_a_name_that_is_no_text_is_said_and_refused_or_taken(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    write_run(folder / "churn" / "20260101T000000Z-aaaaaa")
    for arguments in (["compare"], ["report", "churn"], ["report", str(folder / "nothing")]):
        done = subprocess.run(
            [sys.executable, "-m", "practicals", *arguments, "--runs", str(folder)],
            cwd=ROOT,
            env={**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:strict"},
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 2), done.stderr.decode(errors="replace")


# Links


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_that_lead_nowhere_or_to_themselves_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "not there")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    for name in ("nowhere", "itself"):
        for refused in (
            lambda name=name: locate(load_card("churn"), str(tmp_path / name)),
            lambda name=name: read_series(tmp_path / name),
            lambda name=name: read_messages(own("sms_spam", tmp_path / name)),
            lambda name=name: read_ratings(own("movielens_100k", tmp_path / name)),
            lambda name=name: read_yaml(tmp_path / name),
            lambda name=name: Run.create(tmp_path / name, "churn"),
        ):
            with pytest.raises((PracticalError, OSError)) as caught:
                refused()
            assert name in str(caught.value)
        assert main(["report", str(tmp_path / name)]) == 2
        assert main(["compare", "--runs", str(tmp_path / name)]) == 2
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_what_a_link_in_a_run_folder_leads_to_is_never_written(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    run = write_run(tmp_path / "runs" / "churn" / "20260101T000000Z-aaaaaa")
    for path in (run.report_path, tmp_path / "runs" / "compare.html", run.plots_folder / "history.svg"):
        path.unlink(missing_ok=True)
        path.symlink_to(precious)
    assert main(["report", str(run.folder)]) == 0
    assert main(["compare", "--runs", str(tmp_path / "runs")]) == 0
    assert precious.read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_folder_of_pictures_shows_nothing_from_outside_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").symlink_to(tmp_path / "secret.png")
    found = pictures_to_predict([tmp_path / "in"], size=8, resize=resize)
    assert not found.readable.any() and "out of the folder" in found.problems[0]


# Models


@pytest.fixture(scope="module")
def made() -> Any:
    """Functions that save a harmless model and change what its file says."""
    import keras

    def save(path: Path, *layers: Any) -> Path:
        inputs = keras.Input((2,))
        outputs = inputs
        for layer in layers or (keras.layers.Dense(1, name="dense"),):
            outputs = layer(outputs)
        keras.Model(inputs, outputs).save(path)
        return path

    return save


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change the configuration within a model file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    return packed(path, {**members, "config.json": json.dumps(config).encode()})


def layer_of(config: dict[str, Any]) -> dict[str, Any]:
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] != "InputLayer")


def loaded(path: Path) -> Any:
    from practicals import load_model

    return load_model(path)


CALLED = "touched"


@pytest.mark.slow(reason="loads TensorFlow")
@pytest.mark.parametrize(
    ("module", "name", "config"),
    [
        ("os", "system", {"command": f"touch {CALLED}"}),
        ("builtins", "exec", {"source": f"open('{CALLED}', 'w')"}),
        ("subprocess", "Popen", {"args": ["touch", CALLED]}),
        ("keras.layers", "Lambda", {"function": {"class_name": "function", "config": "os.system"}}),
        ("keras.utils", "get_file", {"fname": CALLED, "origin": "file:///etc/passwd"}),
        ("keras.src.saving.saving_lib", "load_model", {"filepath": "other.keras", "safe_mode": False}),
        ("keras.config", "enable_unsafe_deserialization", {}),
    ],
)
def test_a_model_file_that_names_foreign_code_is_refused(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str, config: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = rewritten(
        made(tmp_path / "model.keras"),
        lambda whole: layer_of(whole).update(module=module, class_name=name, config=config, registered_name=name),
    )
    with pytest.raises(RunError) as caught:
        loaded(path)
    assert str(caught.value).startswith(f"{path}: cannot be loaded")
    assert everything(tmp_path) == {"model.keras"}


@pytest.mark.slow(reason="loads TensorFlow")
def test_a_model_file_never_reads_a_file_outside_of_itself(made: Any, tmp_path: Path) -> None:
    import h5py
    import keras

    secret = tmp_path / "secret.txt"
    secret.write_text("alpha\nbeta\n")
    inputs = keras.Input((), dtype="string")
    keras.Model(inputs, keras.layers.StringLookup(vocabulary=["a"])(inputs)).save(tmp_path / "lookup.keras")
    lookup = rewritten(
        tmp_path / "lookup.keras", lambda whole: layer_of(whole)["config"].update(vocabulary=str(secret))
    )
    # Weights that stand in another file: links of HDF5, and data that it keeps outside.
    (tmp_path / "numbers").write_bytes(np.arange(2, dtype="float32").tobytes())
    linked = made(tmp_path / "linked.keras")
    with zipfile.ZipFile(linked) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = tmp_path / "w.h5"
    weights.write_bytes(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        kernel = next(name for name in names if file[name].shape == (2, 1))
        del file[kernel]
        file.create_dataset(kernel, (2, 1), "float32", external=[(str(tmp_path / "numbers"), 0, 8)])
    packed(linked, {**members, "model.weights.h5": weights.read_bytes()})
    for path in (lookup, linked):
        with pytest.raises(RunError) as caught:
            loaded(path)
        assert str(caught.value).startswith(f"{path}: cannot be loaded")
        assert "alpha" not in str(caught.value)


# HTML in every text of every kind of data, from the file to the report


def evil_customers(folder: Path) -> list[str]:
    rows = draw_customers(rows=400, seed=3)
    rows["Geography"] = rows["Geography"].replace("France", EVIL)
    rows["Surname"] = EVIL
    rows.assign(**{EVIL: EVIL}).to_csv(folder / "<b>evil.csv", index=False)
    return ["run", "churn", "--data", str(folder / "<b>evil.csv")]


def evil_houses(folder: Path) -> list[str]:
    evil = EVIL.replace("/", "")  # which a column's name may not hold
    rows = draw_houses(rows=400, seed=3)[["price", "sqft_living", "grade"]].assign(view="none", **{f"{evil} n": 1.5})
    rows.loc[::3, "view"] = EVIL
    rows[f"{evil} n"] = np.random.default_rng(0).random(len(rows))
    rows.rename(columns={"view": evil}).to_csv(folder / "houses.csv", index=False)
    return ["run", "regression", "--data", str(folder / "houses.csv"), "--set", "target=price"]


def evil_messages(folder: Path) -> list[str]:
    texts, labels = written_messages(number=400)
    spam = {"spam": EVIL, "ham": "<i>ham</i>"}
    pd.DataFrame({"<u>label": map(spam.get, labels), "<u>text": [f"{text} {EVIL}" for text in texts]}).to_csv(
        folder / "messages.csv", index=False
    )
    return [
        *("run", "sms_spam", "--data", str(folder / "messages.csv"), "--set", "text=<u>text"),
        *("--set", "target=<u>label", "--set", f'positive="{EVIL}"'),
    ]


def evil_ratings(folder: Path) -> list[str]:
    pairs = rated_films(users=100, items=60, ratings=2000).pairs
    rows = pd.DataFrame({"user": pairs.users, "item": pairs.items, "rating": pairs.values})
    rows["user"], rows["item"] = rows["user"].astype(str) + EVIL, rows["item"].astype(str) + EVIL
    rows.assign(title=rows["item"] + EVIL, genres=f"{EVIL}|<b>").to_csv(folder / "ratings.csv", index=False)
    return ["run", "recommender", "--data", str(folder / "ratings.csv")]


def evil_pictures(folder: Path) -> list[str]:
    name = EVIL.replace("/", "")
    for number, one in enumerate([f"a {name}", f"b {name}"]):
        (folder / "pictures" / one).mkdir(parents=True)
        for seed in range(30):
            (folder / "pictures" / one / f"{seed} {name}.png").write_bytes(png(size=(40, 40), seed=2 * seed + number))
    return ["run", "cats_dogs", "--data", str(folder / "pictures")]


def evil_series(folder: Path) -> list[str]:
    times = pd.date_range("2021-01-04", periods=1500, freq="h")
    visits = 50 + 20 * np.sin(np.arange(1500) / 24 * 2 * np.pi) + np.random.default_rng(0).random(1500)
    pd.DataFrame({"time": times, EVIL: visits}).to_csv(folder / "hours.csv", index=False)
    return ["run", "web_traffic", "--data", str(folder / "hours.csv"), "--set", f'value="{EVIL}"']


@pytest.mark.slow(reason="trains every lesson on data of an attacker's")
@pytest.mark.parametrize(
    "prepare", [evil_customers, evil_houses, evil_messages, evil_ratings, evil_pictures, evil_series]
)
def test_html_in_any_text_of_the_data_is_text_in_every_page(
    prepare: Callable[[Path], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / ODD_NAME
    command = prepare(tmp_path)
    assert main([*command, "--smoke", "--quiet", "--runs", str(runs)]) == 0, capsys.readouterr().err
    (run,) = finished_runs(runs, command[1])
    assert main(["compare", "--runs", str(runs)]) == 0
    assert "alert(" in run.report_path.read_text(encoding="utf-8"), "the data's texts are on the page"
    for page in (run.report_path, runs / "compare.html"):
        assert_harmless(page)
