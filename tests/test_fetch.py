"""Finding, fetching and verifying data, against a real HTTP server on the loopback."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from practicals.common.data import fetch
from practicals.common.data.archives import members_digest
from practicals.common.data.cards import Card, CardFile
from practicals.common.errors import DataError

CONTENT = b"customer,left\n" + b"1,0\n2,1\n" * 20_000
Answer = Callable[[BaseHTTPRequestHandler], None]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def body(content: bytes, promised: int | None = None) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(promised or len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


def refuse(status: int) -> Answer:
    return lambda request: request.send_error(status)


class Server:
    """Answers each path as the test says and remembers what was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.answers.get(self.path, refuse(404))(self)

            def log_message(self, *_: object) -> None:
                """Keep the test's output quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    def card(self, *paths: str, content: bytes = CONTENT, **changes: object) -> Card:
        """Return a card whose addresses are these paths of the server."""
        file = {
            "path": "bank/bank.csv",
            "bytes": len(content),
            "sha256": (sha256(content), sha256(b"\xef\xbb\xbf" + content)),
            "urls": tuple(path if path.startswith("http") else self.url(path) for path in paths),
        } | changes
        return make_card(CardFile.model_validate(file))


def make_card(*files: CardFile) -> Card:
    return Card(
        name="bank",
        title="Bank",
        about="Customers.",
        licence="None.",
        terms="For tests.",
        citation="Nobody (2000)",
        by_hand="Ask the bank, then set PRACTICALS_DATA=FOLDER.",
        files=files,
        columns={},
        rows=40_000,
    )


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()
    running.thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("PRACTICALS_CACHE", str(folder))
    return folder


def all_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def put(folder: Path, content: bytes, name: str = "bank/bank.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def refused(card: Card, data: str = "real") -> str:
    """Return the one line with which `locate` refuses."""
    with pytest.raises(DataError) as caught:
        fetch.locate(card, data)
    line = str(caught.value)
    assert "\n" not in line
    return line


# Downloads


def test_a_good_file_is_downloaded_verified_and_kept(server: Server, cache: Path) -> None:
    server.answers["/good"] = body(CONTENT)
    card = server.card("/good")
    source = fetch.locate(card)
    assert (source.kind, source.path, source.sha256) == ("real", cache / "bank/bank.csv", sha256(CONTENT))
    assert source.path.read_bytes() == CONTENT
    assert fetch.locate(card) == source
    assert server.asked == ["/good"], "the second time the cache answers"
    assert all_files(cache) == ["bank/bank.csv"]


def test_the_accepted_variant_with_a_byte_order_mark_is_taken_too(server: Server) -> None:
    server.answers["/marked"] = body(b"\xef\xbb\xbf" + CONTENT)
    assert fetch.locate(server.card("/marked")).sha256 == sha256(b"\xef\xbb\xbf" + CONTENT)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (body(CONTENT.replace(b"2,1", b"2,0", 1)), "expected 160,014 bytes with sha256"),
        (body(CONTENT[:-500], promised=len(CONTENT)), "broke off"),
        (body(CONTENT[:-500]), "found 159,514 bytes"),
        (refuse(404), "answered 404"),
        (refuse(503), "answered 503"),
        (body(CONTENT * 20), "sends more than"),
    ],
    ids=["wrong hash", "truncated body", "truncated file", "404", "503", "endless body"],
)
def test_a_bad_address_is_passed_over_for_a_working_mirror(
    server: Server, cache: Path, bad: Answer, reason: str
) -> None:
    server.answers |= {"/bad": bad, "/good": body(CONTENT)}
    assert fetch.locate(server.card("/bad", "/good"), "real").sha256 == sha256(CONTENT)
    assert server.asked == ["/bad", "/good"]
    assert all_files(cache) == ["bank/bank.csv"]
    (cache / "bank/bank.csv").unlink()

    line = refused(server.card("/bad"))
    assert reason in line and server.url("/bad") in line and "By hand: Ask the bank" in line
    assert all_files(cache) == [], "nothing of a bad download stays"


def test_every_address_is_named_with_its_reason_when_all_fail(server: Server) -> None:
    server.answers["/wrong"] = body(b"<html>not found</html>")
    line = refused(server.card("/gone", "/wrong"))
    assert f"{server.url('/gone')}: answered 404 Not Found" in line
    assert f"{server.url('/wrong')}: is not the expected file" in line


def test_a_hanging_server_is_given_up_and_a_mirror_is_tried(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "READ_SECONDS", 0.1)
    server.answers["/good"] = body(CONTENT)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, then never answers
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "no data for 0.1 s" in refused(server.card(f"{hanging}/a"))
        line = refused(server.card(f"{hanging}/a", f"{hanging}/b"))
        assert line.count("no data for") == 1 and "/b: not tried" in line, "the limit is paid once for each host"
        monkeypatch.setattr(fetch, "READ_SECONDS", 1.0)  # the good mirror may be slow on a busy machine
        assert fetch.locate(server.card(f"{hanging}/a", "/good")).kind == "real"


def test_a_server_that_falls_silent_in_the_body_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "READ_SECONDS", 0.1)
    test_is_over = threading.Event()

    def half(request: BaseHTTPRequestHandler) -> None:
        body(CONTENT[:1000], promised=len(CONTENT))(request)
        test_is_over.wait(30)

    server.answers["/half"] = half
    try:
        assert "no data for 0.1 s" in refused(server.card("/half"))
    finally:
        test_is_over.set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux leaves a connection to a full queue unanswered")
def test_a_host_that_never_connects_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "CONNECT_SECONDS", 0.1)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        queue = [socket.socket() for _ in range(4)]
        for waiting in queue:
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        line = refused(server.card(f"http://127.0.0.1:{full.getsockname()[1]}/a"))
        for waiting in queue:
            waiting.close()
    assert "no connection within 0.1 s" in line


def test_the_file_appears_only_when_it_is_whole(server: Server, cache: Path) -> None:
    seen: list[bool] = []

    def in_two_halves(request: BaseHTTPRequestHandler) -> None:
        body(CONTENT[:80_000], promised=len(CONTENT))(request)
        request.wfile.flush()
        seen.append((cache / "bank/bank.csv").exists())
        request.wfile.write(CONTENT[80_000:])

    server.answers["/slow"] = in_two_halves
    fetch.locate(server.card("/slow"))
    assert seen == [False]


def test_a_terminal_shows_a_bar_and_a_log_plain_lines(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["/good"] = body(CONTENT)
    fetch.locate(server.card("/good"))
    host = f"127.0.0.1:{server.http.server_port}"
    assert capsys.readouterr().err == f"fetching bank.csv from {host}\nbank.csv: 0.2 MB/0.2 MB\n"
    (cache / "bank/bank.csv").unlink()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch.locate(server.card("/good"))
    shown = capsys.readouterr().err
    assert "fetching bank.csv" in shown and "━" in shown and "0.2 MB/0.2 MB" in shown


def test_two_processes_fetching_at_once_both_succeed(server: Server, cache: Path) -> None:
    both_have_asked = threading.Barrier(2, timeout=60)

    def when_both_have_asked(request: BaseHTTPRequestHandler) -> None:
        both_have_asked.wait()
        body(CONTENT)(request)

    server.answers["/good"] = when_both_have_asked
    code = (
        "import sys; from practicals.common.data import cards, fetch\n"
        "source = fetch.locate(cards.Card.model_validate_json(sys.argv[1]), 'real')\n"
        "print(source.sha256, source.path)"
    )
    command = [sys.executable, "-c", code, server.card("/good").model_dump_json()]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert {out.strip() for out, _ in results} == {f"{sha256(CONTENT)} {cache / 'bank/bank.csv'}"}
    assert all_files(cache) == ["bank/bank.csv"]


def test_a_cache_that_cannot_be_written_is_named(server: Server, cache: Path) -> None:
    cache.write_text("a file stands where the folder should be")
    server.answers["/good"] = body(CONTENT)
    line = refused(server.card("/good"))
    assert f"{cache / 'bank'}: cannot be written" in line and "PRACTICALS_CACHE" in line


def test_a_connection_that_cannot_be_verified_is_not_used(server: Server) -> None:
    https = server.url("/good").replace("http:", "https:")  # this server speaks no TLS at all
    assert "no trusted certificate" in refused(server.card(https))


# Where it is looked for


def test_a_class_folder_comes_before_the_cache_and_the_network(
    server: Server, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache, CONTENT)
    path = put(tmp_path / "class", CONTENT)
    (tmp_path / "empty").mkdir()
    folders = [tmp_path / "empty", tmp_path / "class"]
    monkeypatch.setenv("PRACTICALS_DATA", os.pathsep.join(map(str, folders)))
    assert fetch.locate(server.card("/good")).path == path
    assert server.asked == []


def test_a_class_folder_that_is_missing_is_said(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["/good"] = body(CONTENT)
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path / "clas"))
    assert fetch.locate(server.card("/good")).kind == "real"
    assert f"PRACTICALS_DATA: {tmp_path / 'clas'}: is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("data", ["auto", "real"])
def test_a_damaged_class_copy_stops_the_run_and_stays_where_it_is(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    server.answers["/good"] = body(CONTENT)
    path = put(tmp_path / "class", b"damaged")
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path / "class"))
    line = refused(server.card("/good"), data)
    assert line.startswith(f"{path}: is not the expected file: expected 160,014 bytes")
    assert "found 7 bytes" in line and "Ask the bank" in line
    assert path.read_bytes() == b"damaged"
    assert server.asked == []


def test_a_damaged_file_in_the_cache_is_quarantined_and_fetched_again(
    server: Server, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["/good"] = body(CONTENT)
    put(cache, b"damaged")
    source = fetch.locate(server.card("/good"))
    assert source.path is not None and source.path.read_bytes() == CONTENT
    (kept,) = (cache / "bank/quarantine").iterdir()
    assert kept.read_bytes() == b"damaged"
    assert str(kept) in capsys.readouterr().err


def test_without_any_address_auto_takes_the_sample_and_says_so(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    source = fetch.locate(server.card("/gone"))
    assert (source.kind, source.path, source.sha256) == ("sample", None, None)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "sample" in line]
    assert "404" in line and "Ask the bank" in line


def test_a_machine_without_network_falls_back_to_the_sample(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    card = server.card(f"http://127.0.0.1:{port}/a", f"http://127.0.0.1:{port}/b")
    assert fetch.locate(card).kind == "sample"
    assert "/a: the host cannot be reached" in refused(card)


def test_real_never_falls_back_and_sample_never_looks(server: Server, cache: Path) -> None:
    assert "404" in refused(server.card("/gone"), "real")
    put(cache, CONTENT)
    asked = len(server.asked)
    assert fetch.locate(server.card("/gone"), "sample").kind == "sample"
    assert len(server.asked) == asked


def test_a_second_form_of_the_data_serves_where_the_first_cannot_be_had(server: Server, cache: Path) -> None:
    server.answers["/other"] = body(CONTENT)
    first = server.card("/gone", path="bank/first.csv").files[0]
    second = server.card("/other", path="bank/second.csv").files[0]
    assert fetch.locate(make_card(first, second)).path == cache / "bank/second.csv"


def test_the_users_own_file_is_taken_as_it_is(server: Server, tmp_path: Path) -> None:
    path = put(tmp_path, b"a,b\n1,2\n", "mine/own.csv")
    source = fetch.locate(server.card("/good"), str(path))
    assert (source.kind, source.path, source.sha256) == ("own", path, sha256(b"a,b\n1,2\n"))
    assert server.asked == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("nowhere/own.csv", "nowhere/own.csv: no such file; expected auto, real, sample or the path"),
        ("reel", "reel: no such file; expected auto, real, sample"),
        (" ", "no such file"),
        ("a\0b", "no such file"),
        ("~nobody-of-this-name/own.csv", "no such file"),
        ("x" * 5000, "cannot be looked up"),
    ],
    ids=["missing", "misspelt word", "blank", "zero byte", "unknown home", "too long"],
)
def test_an_own_file_that_is_not_there_is_refused(server: Server, data: str, reason: str) -> None:
    assert reason in refused(server.card("/good"), data)


def test_a_folder_where_a_file_is_expected_is_refused(server: Server, tmp_path: Path) -> None:
    assert refused(server.card("/good"), str(tmp_path)) == f"{tmp_path}: is a folder; a file was expected."


def test_a_folder_or_a_file_of_the_users_is_taken_where_folders_are_allowed(server: Server, tmp_path: Path) -> None:
    card = server.card("/good")
    source = fetch.locate(card, str(tmp_path), folders=True)
    assert (source.kind, source.path, source.sha256) == ("own", tmp_path, "")
    path = put(tmp_path, b"packed", "own.zip")
    assert fetch.locate(card, str(path), folders=True).sha256 == sha256(b"packed")
    with pytest.raises(DataError, match="nowhere: no such file or folder; expected auto, real, sample or the path of"):
        fetch.locate(card, "nowhere", folders=True)


def test_the_report_says_where_the_file_is_and_what_its_terms_allow(server: Server, cache: Path) -> None:
    server.answers["/good"] = body(CONTENT)
    card = server.card("/good")
    report = fetch.fetch_report(card)
    assert report == {
        "name": "bank",
        "title": "Bank",
        "status": "downloaded",
        "path": str(cache / "bank/bank.csv"),
        "bytes": len(CONTENT),
        "sha256": sha256(CONTENT),
        "licence": "None.",
        "terms": "For tests.",
        "citation": "Nobody (2000)",
        "by_hand": card.by_hand,
        "rows": 40_000,
        "things": "rows",
    }
    assert json.loads(json.dumps(report)) == report
    assert fetch.fetch_report(card)["status"] == "found in the cache"


# Archives

MEMBERS = {"bank/a.csv": b"a,b\n1,2\n", "bank/b.csv": b"a,b\n3,4\n"}


def pack(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED, link: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            info.external_attr = ((stat.S_IFLNK if name == link else stat.S_IFREG) | 0o644) << 16
            archive.writestr(info, content)
    return out.getvalue()


@pytest.fixture
def archive_card(server: Server) -> Card:
    members = {name: sha256(content) for name, content in MEMBERS.items()}
    return server.card("/zip", path="bank/bank.zip", sha256=(), members=members, expanded_bytes=1000)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_harmless_re_zip_passes(server: Server, archive_card: Card, compression: int) -> None:
    server.answers["/zip"] = body(pack(dict(reversed(MEMBERS.items())) | {"README": b"extra"}, compression))
    assert fetch.locate(archive_card).kind == "real"


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (pack(MEMBERS | {"bank/a.csv": b"changed"}), "'bank/a.csv' was changed"),
        (pack({"bank/a.csv": MEMBERS["bank/a.csv"]}), "'bank/b.csv' is missing"),
        (pack(MEMBERS | {"../evil.txt": b"x"}), "would leave the folder"),
        (pack(MEMBERS | {"bank/../../evil.txt": b"x"}), "would leave the folder"),
        (pack(MEMBERS | {"/tmp/evil.txt": b"x"}), "would leave the folder"),  # noqa: S108
        (pack(MEMBERS | {"..\\evil.txt": b"x"}), "would leave the folder"),
        (pack(MEMBERS | {"C:evil.txt": b"x"}), "would leave the folder"),
        (pack(MEMBERS | {"link": b"/etc/passwd"}, link="link"), "would leave the folder"),
        (pack(MEMBERS | {"bomb": bytes(100_000)}), "unpack to more than 1,000 bytes"),
        (pack(MEMBERS)[:-30], "not a readable zip archive"),
        (pack(MEMBERS, zipfile.ZIP_STORED).replace(b"1,2", b"1,3"), "not a readable zip archive"),
        (b"no archive at all", "not a readable zip archive"),
    ],
    ids=[
        "changed",
        "missing",
        "up",
        "up inside",
        "absolute",
        "backslash",
        "drive",
        "link",
        "bomb",
        "cut",
        "crc",
        "text",
    ],
)
def test_a_bad_archive_is_refused(server: Server, archive_card: Card, cache: Path, archive: bytes, reason: str) -> None:
    server.answers["/zip"] = body(archive)
    assert reason in refused(archive_card)
    assert all_files(cache) == []


def test_an_archive_of_thousands_is_known_by_one_digest_of_its_members(server: Server) -> None:
    with zipfile.ZipFile(io.BytesIO(pack(MEMBERS))) as archive:
        digest = members_digest(archive)
    card = server.card("/zip", path="bank/bank.zip", sha256=(), members_sha256=digest, expanded_bytes=1000)
    for bad in (MEMBERS | {"bank/a.csv": b"changed"}, MEMBERS | {"bank/c.csv": b""}, {"bank/a.csv": b"a,b\n1,2\n"}):
        server.answers["/zip"] = body(pack(bad))
        assert "a member was changed, is missing or was added" in refused(card)
    server.answers["/zip"] = body(pack(MEMBERS | {"__MACOSX/bank/._a.csv": b"x"}, zipfile.ZIP_STORED))
    assert fetch.locate(card).kind == "real"


def test_an_archive_without_a_published_hash_is_held_to_its_size_and_counts(server: Server) -> None:
    good = pack(MEMBERS, zipfile.ZIP_STORED)
    file = {"path": "bank/bank.zip", "sha256": (), "folders": {"bank": 2}, "expanded_bytes": 1000, "bytes": len(good)}
    card = server.card("/zip", **file)
    for bad, reason in (
        (pack(MEMBERS | {"bank/c.csv": b"more"}, zipfile.ZIP_STORED), f"expected {len(good):,} bytes, found"),
        (good.replace(b"1,2", b"1,3"), "its member 'bank/a.csv' is damaged"),
        (good.replace(b"bank/b.csv", b"bonk/b.csv"), "its folder 'bank' holds 1 files; expected 2"),
    ):
        server.answers["/zip"] = body(bad)
        assert reason in refused(card)
    server.answers["/zip"] = body(good)
    assert fetch.locate(card).kind == "real"
