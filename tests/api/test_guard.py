"""Who may come in: on the unix socket its user, on 127.0.0.1 who shows the token and comes from nowhere else."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from keeprate.api.client import DaemonClient
from keeprate.api.sessions import MOST_CODES, MOST_SESSIONS, Sessions
from keeprate.api.sockets import make_private
from keeprate.errors import BusyError, KeeprateError
from keeprate.paths import locate_home
from keeprate.steps.session import Session
from support.api import Serving, free_port, over_tcp, over_unix, serving
from support.waiting import next_line


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_nobody_else_can_open_what_is_ours() -> None:
    before = os.umask(0)  # the modes are not the umask's doing
    try:
        with serving() as here:
            assert mode(here.home.socket_file) == 0o600
            assert mode(here.home.socket_file.parent) == 0o700
            assert mode(here.home.token_file) == 0o600
    finally:
        os.umask(before)
    assert not here.home.socket_file.exists()
    assert list(here.home.socket_file.parent.iterdir()) == []


def test_the_token_is_made_once_and_made_private_again() -> None:
    with serving() as here:
        first = here.home.token_file.read_text()
        here.home.token_file.chmod(0o644)
    with serving() as here:
        assert here.home.token_file.read_text() == first
        assert mode(here.home.token_file) == 0o600
        assert len(first.strip()) >= 43
    here.home.token_file.write_text("")
    with serving():
        assert len(here.home.token_file.read_text().strip()) >= 43


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer \xe9\xff"}, 401),
        ({"Authorization": "Basic Zm9vOmJhcg=="}, 401),
        ({"Cookie": "keeprate_1=x; keeprate_="}, 401),
        ({"Cookie": "\x7f=;;;=; a"}, 401),
    ],
)
def test_without_the_token_nothing_is_told(here: Serving, headers: dict[str, str], status: int) -> None:
    for path in ("/status", "", "/openapi.json", "//", "//nothing"):
        answer = over_tcp(here, "GET", path, token=False, **headers)
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert set(answer.json) == {"type", "title", "status", "advice", "path", "details"}
    assert over_tcp(here, "POST", "/pause", token=False, **headers).status == status
    assert here.control.asked == []


def test_the_unix_socket_asks_for_none(here: Serving) -> None:
    assert over_unix(here, "GET", "/status").status == 200


def code_of(here: Serving, seconds: int = 60) -> str:
    """What lets in one browser, as the user's own programs get it."""
    url: str = over_unix(here, "POST", "/page-code", {"seconds": seconds}).json["url"]
    front, _, code = url.partition("/?code=")
    assert front == here.server.url
    return code


def test_a_code_becomes_a_session_once(here: Serving) -> None:
    wrong = over_tcp(here, "GET", "//?code=wrong", token=False)
    assert (wrong.status, wrong.headers["Set-Cookie"]) == (401, None)
    code = code_of(here)
    for method, path in (("POST", "/pause"), ("HEAD", "//")):
        assert over_tcp(here, method, f"{path}?code={code}", token=False).status == 401, (
            "only an opened page uses it up"
        )
    answer = over_tcp(here, "GET", f"//review?head=keep&code={code}&x=%26", token=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/review?head=keep&x=%26")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    pair = cookie.split(";")[0]
    assert over_tcp(here, "GET", "/live", token=False, Cookie=f"a=b; {pair}").status == 200
    assert over_tcp(here, "GET", f"//?code={code}", token=False).status == 401, "it counts once"
    again = over_tcp(here, "GET", f"//?code={code}", token=False, Cookie=pair)
    assert (again.status, again.headers["Set-Cookie"]) == (303, None), "who is in stays in"


def test_the_token_is_in_no_address_and_no_cookie(here: Serving) -> None:
    """Other users see what a browser is started with, and browsers send cookies to every port of 127.0.0.1."""
    token = here.home.token_file.read_text().strip()
    port = str(here.server.url).rpartition(":")[2]
    answer = over_tcp(here, "GET", f"//?code={code_of(here)}", token=False)
    assert token not in str(answer.headers)
    assert over_tcp(here, "GET", f"//?token={token}", token=False).status == 401
    assert over_tcp(here, "GET", "/live", token=False, Cookie=f"keeprate_{port}={token}").status == 401


def test_a_session_ends_with_the_daemon(session: Session) -> None:
    home = session.home
    home.config_file.write_text(f"{home.config_file.read_text()}\n[api]\nport = {free_port()}\n")
    with serving(home) as here:
        pair = over_tcp(here, "GET", f"//?code={code_of(here)}", token=False).headers["Set-Cookie"].split(";")[0]
        assert over_tcp(here, "GET", "/live", token=False, Cookie=pair).status == 200
    with serving(home) as here:
        refused = over_tcp(here, "GET", "//", token=False, Cookie=pair, Accept="text/html,*/*")
        assert (refused.status, refused.headers["Content-Type"]) == (401, "text/html; charset=utf-8")
        assert b"`keeprate web --open` opens the page (again)" in refused.body


def test_a_code_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("keeprate.api.sessions.time.monotonic", lambda: clock[0])
    known = Sessions()
    first, second = known.code(60), known.code(600)
    clock[0] = 61.0
    assert known.let_in(first) is None
    assert known.let_in(second) is not None


def test_codes_and_sessions_are_few() -> None:
    known = Sessions()
    opened = [known.let_in(known.code(60)) for _ in range(MOST_SESSIONS + 1)]
    assert [known.knows(str(one)) for one in opened] == [False] + [True] * MOST_SESSIONS
    codes = [known.code(60) for _ in range(MOST_CODES + 1)]
    assert [known.let_in(one) is not None for one in codes] == [False] + [True] * MOST_CODES


def test_codes_are_for_who_has_the_unix_socket(here: Serving) -> None:
    assert over_tcp(here, "POST", "/page-code", {}).status == 403


@pytest.mark.parametrize(
    "path", ["////evil.example", "//\\evil.example", "//%5Cevil.example/", "////evil.example/%2e%2e"]
)
def test_a_code_leads_nowhere_else(here: Serving, path: str) -> None:
    answer = over_tcp(here, "GET", f"{path}?code={code_of(here)}", token=False)
    assert answer.status in {303, 400}
    if answer.status == 303:
        location = answer.headers["Location"]
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "evil.example:{port}", ""])
def test_under_another_name_nothing_is_served(here: Serving, host: str) -> None:
    """DNS rebinding: a website lets its own name point at us; the browser sends that name."""
    assert here.server.url is not None
    port = here.server.url.rpartition(":")[2]
    assert over_tcp(here, "GET", "/live", Host=host.format(port=port)).status == 403
    assert over_tcp(here, "GET", "/live", Host=f"localhost:{port}").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": "https://evil.example"},
    ],
)
def test_another_website_may_not_ask(here: Serving, headers: dict[str, str]) -> None:
    assert here.server.url is not None
    port = here.server.url.rpartition(":")[2]
    given = {name: value.format(port=port) for name, value in headers.items()}
    for method, path in (("POST", "/pause"), ("GET", "/live")):
        answer = over_tcp(here, method, path, token=True, **given)
        assert answer.status == 403
        assert answer.headers["Access-Control-Allow-Origin"] is None
    assert here.control.asked == []


def test_our_own_page_may(here: Serving) -> None:
    assert here.server.url is not None
    assert over_tcp(here, "POST", "/pause", Origin=here.server.url, Sec_Fetch_Site="same-origin").status == 202


def test_answers_tell_browsers_to_be_careful(here: Serving) -> None:
    for answer in (over_tcp(here, "GET", "/live"), over_tcp(here, "GET", "/live", token=False)):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Server"] is None
        assert answer.headers["Date"] is not None


def test_a_large_request_is_not_read(here: Serving) -> None:
    large = b"[" + b" " * (1 << 20) + b"]"
    assert over_unix(here, "POST", "/labels", large).json["status"] == 413
    in_chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(large), large)
    headers = {"Transfer-Encoding": "chunked", "Content-Length": ""}
    assert over_unix(here, "POST", "/labels", in_chunks, **headers).json["status"] == 413


def test_the_page_can_be_turned_off() -> None:
    home = locate_home()
    home.config_dir.mkdir(parents=True)
    home.config_file.write_text("[api]\nweb = false\n")
    with serving() as here:
        assert here.server.url is None
        client = DaemonClient.connect(home)
        assert client is not None
        assert client.page_url() is None
        assert client.live().attention == ()


def test_a_port_that_is_taken_is_told_and_all_else_works(here: Serving, tmp_path: Path) -> None:
    assert here.server.url is not None
    port = here.server.url.rpartition(":")[2]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.toml").write_text(f"[api]\nport = {port}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEEPRATE_HOME", str(tmp_path / "other"))
        with serving() as other:
            client = DaemonClient.connect(other.home)
            assert client is not None
            (said,) = client.live().attention
            assert f"port {port} on 127.0.0.1 is taken" in said
            assert "`keeprate config reload`" in said
            assert client.page_url() is None
            assert client.status().live == client.live()


def test_what_a_killed_daemon_left_is_replaced() -> None:
    home = locate_home()
    with serving() as here:
        os.link(home.socket_file, home.socket_file.with_name("kept"))
    home.socket_file.with_name("kept").rename(home.socket_file)
    assert DaemonClient.connect(home) is None
    with serving() as here:
        assert over_unix(here, "GET", "").status == 200


def test_a_socket_is_only_removed_by_the_daemon_of_the_home(here: Serving) -> None:
    from keeprate.api.sockets import open_unix_socket
    from keeprate.paths import Home

    elsewhere = here.home.state_dir / "elsewhere"
    home = Home(elsewhere, elsewhere, elsewhere, elsewhere, here.home.runtime_dir)  # the same socket, not its daemon
    with pytest.raises(BusyError):
        open_unix_socket(home)
    assert over_unix(here, "GET", "").status == 200


def test_folders_are_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)
    make_private(folder)
    assert mode(folder) == 0o700
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeeprateError, match="belongs to somebody else"):
        make_private(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of others")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    (tmp_path / "ours").mkdir()
    (tmp_path / "their_link").symlink_to(tmp_path / "ours")
    os.chown(tmp_path / "their_link", 65534, 65534, follow_symlinks=False)
    for folder in (theirs, theirs / "run", theirs / "deeper" / "run", tmp_path / "their_link" / "run"):
        with pytest.raises(KeeprateError, match="belongs to somebody else"):
            make_private(folder)
    assert [*theirs.iterdir(), *(tmp_path / "ours").iterdir()] == [], "nothing is made in it either"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_the_client_does_not_talk_to_somebody_else(tmp_path: Path) -> None:
    import subprocess
    import sys

    home = locate_home()
    home.socket_file.parent.mkdir(parents=True)
    code = (
        "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); "
        "s.listen(); print('ready', flush=True); c, _ = s.accept(); c.recv(9999); "
        'c.send(b\'HTTP/1.1 200 OK\\r\\nContent-Length: 16\\r\\n\\r\\n{"version": "1"}\')'
    )
    for folder in (home.socket_file.parent, *home.socket_file.parent.parents):
        if folder.owner() == "root" and mode(folder) == 0o700:
            folder.chmod(0o711)
    home.socket_file.parent.chmod(0o777)
    with subprocess.Popen([sys.executable, "-c", code, str(home.socket_file)], stdout=subprocess.PIPE) as impostor:
        try:
            assert next_line(impostor.stdout) == b"ready\n"
            assert DaemonClient.connect(home) is None
        finally:
            impostor.kill()


def test_a_home_with_a_long_name_has_its_socket_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPRATE_HOME", str(tmp_path / ("long" * 30)))
    with (
        tempfile.TemporaryDirectory(prefix="kr") as short,
        monkeypatch.context() as patched,
    ):
        patched.setattr("tempfile.tempdir", short)
        _its_socket_lies_in(Path(short))


def _its_socket_lies_in(temporary: Path) -> None:
    with serving() as here:
        assert here.home.socket_file.is_relative_to(temporary / f"keeprate-{os.getuid()}")
        assert mode(here.home.socket_file.parent) == mode(here.home.socket_file.parent.parent) == 0o700
        assert over_unix(here, "GET", "").status == 200
