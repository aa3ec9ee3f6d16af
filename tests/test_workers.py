"""Trials in processes of their own: the same trials, none lost by a kill, nobody left behind, nobody let in."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import tuner_child as tiny
from tuner_child import TinyConfig, lesson, scripted, search

from practicals.common import trials, tuner
from practicals.common.chief import KEY, Chief, join, read_address, receive, send
from practicals.common.errors import ConfigError, PracticalError, RunError
from practicals.common.search import Goal, Search, newest_unfinished
from practicals.common.workers import DEATHS, NEXT_BATCH, Workers

CHILD = Path(tiny.__file__)
ROOT = CHILD.parents[1]
A_START_OF_TENSORFLOW = "each process loads TensorFlow, some ten seconds"


def valley(config: TinyConfig) -> list[float]:
    low = abs(config.learning_rate - 0.01) + sum(config.hidden_units) / 100
    return [low + 0.5, low]


def outcome(board: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What of a leaderboard does not depend on who ran the trials, and when."""
    return sorted(({k: v for k, v in row.items() if k != "seconds"} for row in board), key=lambda row: row["trial"])


@contextmanager
def serving(chief: Chief) -> Iterator[None]:
    """Let others connect while the block runs."""

    def accept() -> None:
        while not ended.is_set():
            chief.accept()

    ended = threading.Event()
    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        chief.close()


class Counting:
    """Stands for a tuner with so many trials, each its number."""

    def __init__(self, count: int) -> None:
        self.left, self.given, self.done, self.lost = list(range(count)), {}, [], []  # type: ignore[var-annotated]

    def hand_out(self, worker: str) -> dict[str, Any]:
        if not self.left:
            return {"status": "STOPPED"}
        self.given[worker] = self.left.pop(0)
        return {"status": "RUNNING", "trial": self.given[worker]}

    def take_back(self, done: dict[str, Any]) -> bool:
        self.done.append(done["trial"])
        return False

    def lose(self, worker: str) -> str:
        self.lost.append(self.given.get(worker))
        return ""


def asked_for(connection: Connection, message: Any = None) -> Any:
    send(connection, message)
    return receive(connection)


@pytest.fixture(scope="module", autouse=True)
def cheap_garbage_collection() -> Iterator[None]:
    """Let the collections between trials look at new objects only, not at all of TensorFlow."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize(
    "strategy",
    [
        "grid",
        "hyperband",
        pytest.param("bayesian", marks=pytest.mark.slow(reason="fits a Gaussian process to the trials, eight times")),
    ],
)
def test_a_worker_runs_the_trials_that_one_process_would_have_run(
    strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The worker is a thread here, which shares nothing with the chief but the connection.
    fake = lesson(fit=scripted(valley))
    alone = search(tmp_path / "alone", lesson=fake, strategy=strategy, trials=6)
    ended: list[bool | BaseException] = []

    def work(address: str) -> None:
        try:
            own = partial(TinyConfig.from_values, source=address)
            ended.append(tuner.join_search(fake, own, address=address, name="worker-1"))
        except BaseException as error:
            ended.append(error)

    class OneThread:
        """Stands for `Workers`."""

        def __init__(self, count: int, command: list[str], key: str, logs: Path) -> None:
            monkeypatch.setenv(KEY, key)
            self.thread = threading.Thread(target=work, args=command[-1:])

        def __enter__(self) -> OneThread:
            self.thread.start()
            return self

        def __exit__(self, *_: object) -> None:
            self.thread.join(30)

        def look_after(self, begun: Any) -> bool:
            if ended and isinstance(ended[0], BaseException):
                raise ended[0]
            return True

    monkeypatch.setattr(tuner, "Workers", OneThread)
    shared = search(tmp_path / "shared", lesson=fake, strategy=strategy, trials=6, workers=1)
    assert ended == [True]
    assert outcome(shared["leaderboard"]) == outcome(alone["leaderboard"])
    for row in shared["leaderboard"]:
        assert Search(Path(shared["search"])).history_path(row["trial"]).exists()


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Any]:
    """A chief's tuner with four trials, whose worker is the test."""
    search_of_four = Search(tmp_path)
    search_of_four.search_path.write_text(json.dumps({"search space": {"units": 1}}))
    config = TinyConfig()
    split = tiny.load(config)
    data = tiny.encode(None, split, config)
    preprocess = tiny.build_preprocess(split.train, config)
    space = trials.TrialSpace(search_of_four, lesson(), config, preprocess, data, Goal("val_loss", "min"), 2)
    with trials.tamed():
        made = trials.make_tuner(space, "random", 4)
        made.oracle.verbose = 0
        yield made


def finished(message: dict[str, Any], score: float) -> dict[str, Any]:
    """What a worker sends back."""
    metrics = {"val_loss": {"direction": "min", "observations": [{"value": [score], "step": 0}]}}
    trial = {**message["trial"], "status": "COMPLETED", "metrics": {"metrics": metrics}}
    settings = TinyConfig().model_dump(mode="json")
    return {"trial": trial, "outcome": {"epochs": 1, "seconds": 1.0, "settings": settings}, "files": {}}


def test_a_dead_workers_trial_goes_to_another_and_the_others_wait_for_it(given: Any) -> None:
    first, second = given.hand_out("worker-1"), given.hand_out("worker-2")
    given.take_back(finished(second, 0.5))
    assert "trial 0 will be run again" in given.lose("worker-1")
    again = given.hand_out("worker-2")
    assert again["trial"]["trial_id"] == first["trial"]["trial_id"]
    assert again["trial"]["hyperparameters"] == first["trial"]["hyperparameters"]
    rest = [given.hand_out("worker-1"), given.hand_out("worker-3")]
    assert given.hand_out("worker-4") == {"status": "IDLE"}
    for message in [again, *rest]:
        given.take_back(finished(message, 0.4))
    assert given.hand_out("worker-4") == {"status": "STOPPED"}
    assert sorted(given.oracle.end_order) == ["0", "1", "2", "3"]


def test_a_trial_that_ends_every_process_fails_alone(given: Any) -> None:
    for _ in range(DEATHS):
        deadly = given.hand_out("worker-1")
        said = given.lose("worker-1")
    assert deadly["trial"]["trial_id"] == "0"
    assert said == "trial 0 has failed"
    while (message := given.hand_out("worker-1"))["status"] == "RUNNING":
        given.take_back(finished(message, 0.3))
    assert [given.oracle.trials[name].status for name in "0123"] == ["FAILED"] + ["COMPLETED"] * 3
    space = given.hypermodel
    failed = trials.rank(space.search, given.oracle, space.config, space.objective)[-1]
    assert failed["reason"].startswith(f"{DEATHS} processes that ran it ended")


def test_a_worker_writes_no_file_but_those_of_a_trial(given: Any, tmp_path: Path) -> None:
    message = finished(given.hand_out("worker-1"), 0.5)
    given.take_back({**message, "files": {"../../evil": "aGk=", "history.csv": "aGk="}})
    assert (tmp_path / "keras_tuner" / "trial_0" / "history.csv").read_text() == "hi"
    assert not list(tmp_path.parent.rglob("evil"))


def test_trials_go_to_whoever_joins_and_a_broken_connection_gives_its_trial_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counting = Counting(3)
    chief = Chief(counting, {"practical": "tiny"}, None)
    monkeypatch.setenv(KEY, chief.key)
    assert chief.address.startswith("127.0.0.1:")
    with serving(chief):
        one, asked = join(chief.address, "one")
        two, _ = join(chief.address, "two")
        assert asked == {"practical": "tiny"}
        assert [asked_for(one)["trial"], asked_for(two)["trial"]] == [0, 1]
        two.close()
        wait_until(lambda: counting.lost == [1])
        assert asked_for(one, {"trial": 0}) == {"over": False}
        assert asked_for(one)["trial"] == 2
        asked_for(one, {"trial": 2})
        assert not chief.over
        assert asked_for(one)["status"] == "STOPPED"
        assert chief.over
        one.close()
    assert counting.done == [0, 2]


def test_who_does_not_know_the_key_is_refused_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    chief = Chief(Counting(1), {"practical": "tiny"}, None)
    with serving(chief), closing(socket.create_connection(read_address(chief.address))) as silent:
        monkeypatch.setenv(KEY, "guessed")
        with pytest.raises(PracticalError, match=f"refused the key in {KEY}"):
            join(chief.address, "stranger")
        monkeypatch.delenv(KEY)
        with pytest.raises(ConfigError, match=f"{KEY}: is not set"):
            join(chief.address, "stranger")
        monkeypatch.setenv(KEY, chief.key)
        connection, _ = join(chief.address, "friend")
        assert asked_for(connection)["status"] == "RUNNING"
        connection.close()
        silent.sendall(b"\xff" * 64)
    with pytest.raises(PracticalError, match="no search listens there"):
        join(chief.address, "late")


def test_an_error_in_a_message_ends_the_search_and_not_a_thread_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(Counting):
        def take_back(self, done: dict[str, Any]) -> bool:
            raise OSError(28, "No space left on device")

    chief = Chief(FullDisk(1), {}, None)
    monkeypatch.setenv(KEY, chief.key)
    with serving(chief):
        connection, _ = join(chief.address, "one")
        send(connection, {"trial": 0})
        connection.poll(10)
    assert isinstance(chief.failure, OSError)
    connection.close()


@pytest.mark.parametrize("text", ["4321", ":4321", "host:", "host:http", "host:70000", "host:-1"])
def test_an_address_of_another_form_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT was expected"):
        read_address(text)


def test_an_address_in_use_is_said() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"--listen 127\.0\.0\.1:{port}: cannot be used"):
            Chief(Counting(1), {"practical": "tiny"}, f"127.0.0.1:{port}")


def test_whoever_listens_is_told_how_to_join(capsys: pytest.CaptureFixture[str]) -> None:
    chief = Chief(Counting(1), {"practical": "tiny"}, "127.0.0.1:0")
    chief.close()
    said = capsys.readouterr().err
    assert f"{KEY}={chief.key} practicals tune tiny --join {chief.address}" in said


def kept(folder: Path, program: str, count: int = 1) -> Workers:
    """Return workers that run a line of Python; what they do is written below `folder`."""
    start = f"import os, sys, signal\nlog = {str(folder / 'log')!r}\nprint(os.getpid(), file=open(log, 'a'))\n"
    return Workers(count, [sys.executable, "-c", start + program], "key", folder / "logs")


def looked_after(workers: Workers, begun: Any = lambda name: 0) -> None:
    last = time.monotonic() + 60
    while workers.look_after(begun):
        assert time.monotonic() < last


def test_a_worker_that_has_done_its_batch_is_followed_by_another_under_its_id(tmp_path: Path) -> None:
    told = tmp_path / "ids"
    program = (
        f"print(os.environ['PRACTICALS_TUNE_WORKER'], os.environ['{KEY}'], file=open({str(told)!r}, 'a'))\n"
        f"sys.exit({NEXT_BATCH} if len(open(log).readlines()) < 3 else 0)"
    )
    with kept(tmp_path, program) as workers:
        looked_after(workers)
    assert told.read_text().splitlines() == ["worker-1 key"] * 3
    assert len(set((tmp_path / "log").read_text().split())) == 3


@pytest.mark.parametrize(
    ("program", "kind", "text"),
    [
        (
            "sys.stderr.write('a note\\nerror: x.csv: is missing.'); sys.exit(2)",
            PracticalError,
            r"^x\.csv: is missing\.$",
        ),
        ("raise TypeError('a bug')", RuntimeError, "worker-1 ended by a bug:\n(.|\n)*TypeError: a bug"),
        ("os.kill(os.getpid(), signal.SIGKILL)", PracticalError, "worker-1: was killed by SIGKILL, 3 times"),
    ],
    ids=["one line", "bug", "killed again and again"],
)  # fmt: skip
def test_a_worker_that_cannot_work_ends_the_search_and_says_why(
    program: str, kind: type[Exception], text: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=text), kept(tmp_path, program) as workers:
        looked_after(workers)
    starts = (tmp_path / "log").read_text().split()
    assert len(starts) == (DEATHS if "SIGKILL" in program else 1)


def test_a_worker_that_dies_in_its_trials_is_started_again_each_time(tmp_path: Path) -> None:
    trials_given = iter(range(100))
    program = "if len(open(log).readlines()) <= 5: os.kill(os.getpid(), signal.SIGKILL)"
    with kept(tmp_path, program) as workers:
        looked_after(workers, lambda name: next(trials_given))
    assert len((tmp_path / "log").read_text().split()) == 6


def is_running(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Any, seconds: float = 60) -> None:
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "waited in vain"
        time.sleep(0.02)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


@needs_proc
def test_an_error_or_ctrl_c_leaves_no_worker_behind(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(KeyboardInterrupt), kept(tmp_path, "import time; time.sleep(600)", count=2):
        wait_until(lambda: log.exists() and len(log.read_text().split()) == 2)
        raise KeyboardInterrupt
    assert not [process for process in log.read_text().split() if is_running(process)]


@needs_proc
def test_workers_end_when_who_started_them_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    worker = (
        "import os, time\nfrom practicals.common.workers import leave_with_parent\nleave_with_parent()\n"
        f"print(os.getpid(), file=open({str(log)!r}, 'a'))\ntime.sleep(600)"
    )
    parent = (
        "import os, signal, sys, time\nfrom pathlib import Path\nfrom practicals.common.workers import Workers\n"
        f"log = Path({str(log)!r})\nlog.touch()\n"
        f"with Workers(2, [sys.executable, '-c', {worker!r}], 'key', log.parent / 'logs'):\n"
        "    while len(log.read_text().split()) < 2: time.sleep(0.02)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", parent], env=environment(), timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not [one for one in log.read_text().split() if is_running(one)])


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(CHILD.parent)]), **more}


@contextmanager
def child(*arguments: object, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Run tuner_child.py, and end it and what it has started at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, str(CHILD), *map(str, arguments)], env=environment(**more), stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    """Return what a process says until a line with these words."""
    said = ""
    for line in process.stderr:  # type: ignore[union-attr]
        said += line
        if wanted in line:
            return said
    raise AssertionError(f"ended before it said {wanted!r}:\n{said}")


def worker_processes(root: Path) -> list[str]:
    logs = root.glob("tiny/tune-*/workers/*.log")
    return [process for log in logs for process in re.findall(r"^process (\d+)$", log.read_text(), re.MULTILINE)]


@needs_proc
@pytest.mark.slow(reason=A_START_OF_TENSORFLOW)
def test_killing_a_worker_and_then_the_chief_loses_no_finished_trial(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    with child("search", root, 12, 2, TINY_DEATH=str(tmp_path / "died")) as process:
        said = read_until(process, "4/12")
        process.kill()
    assert re.search(r"worker-\d: its process has ended; trial \d+ will be run again", said)
    assert re.search(r"worker-\d: was killed by SIGKILL; started again", said)
    wait_until(lambda: not [one for one in worker_processes(root) if is_running(one)])
    interrupted = newest_unfinished(root, "tiny")
    folders = interrupted.project_folder.glob("trial_*")
    done = {one.name: (one / "trial.json").read_bytes() for one in folders if (one / "outcome.json").exists()}
    done = {name: text for name, text in done.items() if json.loads(text)["status"] == "COMPLETED"}
    assert len(done) >= 4
    with child("search", root, 12, 2) as process:
        read_until(process, "Best of 12 trials")
        assert process.wait(60) == 0
    assert not [one for one in worker_processes(root) if is_running(one)]
    for name, text in done.items():
        assert (interrupted.project_folder / name / "trial.json").read_bytes() == text
    result = json.loads(interrupted.result_path.read_text())
    # Each trial trains from its seed: that many ran at once, died and were run again changes no score.
    alone = search(tmp_path / "alone", lesson=lesson(), trials=12)
    assert outcome(result["leaderboard"]) == outcome(alone["leaderboard"])


@needs_proc
@pytest.mark.slow(reason=A_START_OF_TENSORFLOW)
def test_ctrl_c_leaves_a_search_that_the_named_command_continues_without_workers_too(tmp_path: Path) -> None:
    with child("search", tmp_path, 8, 2) as process:
        read_until(process, "2/8")
        process.send_signal(signal.SIGINT)
        said = read_until(process, "interrupted")
        assert process.wait(60) != 0
    assert f"practicals tune tiny --resume --runs {tmp_path} --workers 2" in said
    assert not [one for one in worker_processes(tmp_path) if is_running(one)]
    result = search(tmp_path, lesson=lesson(), trials=8, resume=newest_unfinished(tmp_path, "tiny"))
    assert len(result["leaderboard"]) == 8


@needs_proc
@pytest.mark.slow(reason="fifty trials, in five processes one after the other")
def test_memory_stays_flat_over_fifty_trials(tmp_path: Path) -> None:
    def megabytes(process: int) -> float:
        status = Path(f"/proc/{process}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    with child("search", tmp_path, 50, 1) as process:
        read_until(process, "5/50")
        early = megabytes(process.pid)
        read_until(process, "49/50")
        late = megabytes(process.pid)
        read_until(process, "Best of 50 trials")
    assert late - early < 20
    processes = worker_processes(tmp_path)
    assert len(processes) == len(set(processes)) == 5
    print(f"chief: {early:.0f} MB after 5 trials, {late:.0f} MB after 49")


def test_a_worker_whose_data_differ_is_refused_and_the_difference_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TinyConfig()
    split = tiny.load(config)
    data = tiny.encode(None, split, config)
    asked = {"practical": "tiny", **tuner.describe_search(lesson(), config, data)}
    chief = Chief(Counting(1), json.loads(json.dumps(asked)), None)
    monkeypatch.setenv(KEY, chief.key)

    def other_rows(config: TinyConfig) -> Any:
        split = tiny.load(config)
        split.train.targets[7] = 1 - split.train.targets[7]
        return split

    own = partial(TinyConfig.from_values, source="chief")
    with serving(chief), pytest.raises(RunError, match=r"this machine: .*data\.sha256 was .*, is "):
        tuner.join_search(lesson(load=other_rows), own, address=chief.address, name="far")
