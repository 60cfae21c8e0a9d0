"""`taskmgr index`: real pip and real uv install what is published, and nobody else's."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import Any

import attrs
import pytest
from command_line import CommandLine, wait_until
from other_index import OtherIndex, download_wheels, other_index, write_wheel
from uv import find_uv_bin

from taskmgr_core.sdk_wheel import sdk_version

GREETER = '''"""A task that uses a package of somebody else."""

from glad_words import GREETING
from taskmgr_plugins import hookimpl, task


@task
def greeter(name: str) -> str:
    """Greet somebody."""
    return f"{GREETING}, {name}, from 1.0.0"


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the task."""
    return [greeter]
'''
PYPROJECT = """[project]
name = "{name}"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = [{dependencies}]

[project.entry-points."taskmgr.plugins"]
{task} = "taskmgr_greeter"

[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"

[tool.uv.build-backend]
module-name = "taskmgr_greeter"
"""
NAME = "taskmgr-greeter"
EVIL = "raise SystemExit('somebody else has you')\n"
# What the machine says to pip and uv of indexes is not for these tests.
TOLD = re.compile(r"(PIP|UV)_")


@attrs.frozen
class Served:
    """An index that is being served.

    Attributes:
        taskmgr: a terminal on its platform.
        url: of its simple page.
        token: what it asks for.
        log: all that the server writes.
        public: the index behind it.
    """

    taskmgr: CommandLine
    url: str
    token: str = attrs.field(repr=False)
    log: Path
    public: OtherIndex

    @property
    def address(self) -> str:
        """The URL with the token, as clients have it."""
        return self.url.replace("://", f"://anybody:{self.token}@")

    def ask(
        self, path: str, method: str = "GET", token: str | None = None, **headers: str
    ) -> tuple[int, Message, bytes]:
        """Status, headers and body of an answer; no redirection is followed."""
        password = self.token if token is None else token
        basic = b64encode(f"anybody:{password}".encode()).decode()
        request = urllib.request.Request(
            self.url.removesuffix("/simple/") + path,
            method=method,
            headers={
                "Authorization": f"Basic {basic}",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )
        try:
            with _OPENER.open(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirection, urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherIndex]:
    """A public index: harmless packages, and look-alikes of ours in higher versions."""
    folder = tmp_path_factory.mktemp("public")
    download_wheels(folder, "attrs", "cattrs", "pluggy", "typing-extensions")
    write_wheel(folder, "glad-words", "1.0", {"glad_words.py": "GREETING = 'Good day'\n"})
    write_wheel(folder, "sly-words", "1.0", {"sly_words.py": ""}, "taskmgr-nobody")
    write_wheel(folder, NAME, "99.0", {"taskmgr_greeter/__init__.py": EVIL})
    write_wheel(folder, "taskmgr-plugins", "99.0", {"taskmgr_plugins/__init__.py": EVIL})
    write_wheel(folder, "taskmgr-nobody", "99.0", {"taskmgr_nobody.py": EVIL})
    with other_index(folder) as served:
        yield served


@pytest.fixture(scope="module")
def platform(
    public: OtherIndex,
    new_platform: Callable[[Path, Path], CommandLine],
    tmp_path_factory: pytest.TempPathFactory,
) -> CommandLine:
    """A platform whose indexes have the look-alikes, with the plugin published."""
    folder = tmp_path_factory.mktemp("house")
    write_project(folder / "greeter", "glad-words>=1", "taskmgr-plugins>=0.1")
    taskmgr = new_platform(folder / "home", folder)
    told = {
        "UV_DEFAULT_INDEX": public.url,
        "UV_INDEX": "",
        "UV_FIND_LINKS": "",
        "UV_NO_CONFIG": "1",
    }
    taskmgr = attrs.evolve(taskmgr, settings={**taskmgr.settings, **told})
    taskmgr("publish", "greeter")
    return taskmgr


def write_project(
    folder: Path, *dependencies: str, name: str = NAME, task: str = "greeter"
) -> Path:
    """The project of the plugin, or of another with the same code."""
    package = folder / "src" / "taskmgr_greeter"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(GREETER)
    wanted = ", ".join(f'"{each}"' for each in dependencies)
    (folder / "pyproject.toml").write_text(
        PYPROJECT.format(name=name, dependencies=wanted, task=task)
    )
    return folder


@pytest.fixture(scope="module")
def served(
    platform: CommandLine, public: OtherIndex, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The index of that platform, before the public one."""
    with serving(platform, public, tmp_path_factory.mktemp("log") / "index.log") as found:
        yield found


@contextlib.contextmanager
def serving(platform: CommandLine, public: OtherIndex, log: Path) -> Iterator[Served]:
    """Serve an index on a free port."""
    words = ("index", "serve", "--port", "0", "--upstream", public.url)
    with platform.started(*words, log=log) as process:
        wait_until(lambda: "uv pip install" in log.read_text(), "the index says where it is")
        (url,) = re.findall(r"on (http://127\.0\.0\.1:\d+/simple/)", log.read_text())
        token = (platform.home / "index-token").read_text().strip()
        yield Served(platform, url, token, log, public)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.fixture(scope="module")
def wheel(served: Served) -> Mapping[str, Any]:
    """What `taskmgr index list --json` says of the plugin's wheel."""
    projects = served.taskmgr.json("index", "list")["projects"]
    files = {each["name"]: each["files"] for each in projects}
    assert list(files) == [NAME, "taskmgr-plugins"]
    found: Mapping[str, Any] = files[NAME][0]
    return found


def run(command: Sequence[str | Path], folder: Path, **told: str) -> str:
    """What a program writes that hears of no index but what it is told here."""
    kept = {name: value for name, value in os.environ.items() if not TOLD.match(name)}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**kept, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "NO_PROXY": "*", **told},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def new_environment(folder: Path) -> Path:
    """An empty virtualenv."""
    run([find_uv_bin(), "venv", "--quiet", "--python", sys.executable, "venv"], folder)
    return folder / "venv"


def check_installed(environment: Path) -> None:
    """It has ours and the harmless package, and the task runs."""
    site = next(environment.glob("lib/*/site-packages"))
    found = {each.name.removesuffix(".dist-info") for each in site.glob("*.dist-info")}
    assert {"glad_words-1.0", "taskmgr_greeter-1.0.0", f"taskmgr_plugins-{sdk_version()}"} <= found
    code = "from taskmgr_greeter import greeter; print(greeter('Ada'))"
    said = run([environment / "bin" / "python", "-c", code], environment)
    assert said == "Good day, Ada, from 1.0.0\n"


def pip(*words: str | Path) -> list[str | Path]:
    """A command of the real pip."""
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]


def test_uv_installs_a_published_task(served: Served, tmp_path: Path) -> None:
    """With the index alone uv installs plugin, SDK and dependencies, and the task runs."""
    environment = new_environment(tmp_path)
    command = ("pip", "install", "--no-cache", "--python", str(environment), NAME)
    run([find_uv_bin(), *command], tmp_path, UV_DEFAULT_INDEX=served.address)
    check_installed(environment)
    assert served.public.asked_for("glad-words")
    assert not served.public.asked_for("taskmgr-")
    assert served.public.credentials == []


def test_pip_installs_a_published_task(served: Served, tmp_path: Path) -> None:
    """With the index alone pip installs the same, and learns of dependencies without the wheel."""
    environment = new_environment(tmp_path)
    command = pip("--python", environment, "install", "--no-cache-dir", NAME)
    before = len(served.log.read_text())
    run(command, tmp_path, PIP_INDEX_URL=served.address)
    check_installed(environment)
    asked = re.findall(r'"GET /files/\w+/(\S+) HTTP/1.1" 200', served.log.read_text()[before:])
    ours = [each for each in asked if each.startswith("taskmgr_greeter")]
    assert ours == [f"taskmgr_greeter-1.0.0-py3-none-any.whl{each}" for each in (".metadata", "")]
    assert not served.public.asked_for("taskmgr-")
    assert served.public.credentials == []


def test_extra_index_is_what_lets_a_lookalike_in(served: Served, tmp_path: Path) -> None:
    """pip with a public index beside ours takes the look-alike: why one index is enough."""
    command = pip("download", "--no-deps", "--no-cache-dir", "--dest", tmp_path, NAME)
    with_extra = {"PIP_INDEX_URL": served.address, "PIP_EXTRA_INDEX_URL": served.public.url}
    served.public.asked.clear()
    run(command, tmp_path, **with_extra)
    assert [each.name for each in tmp_path.glob("*.whl")] == [
        "taskmgr_greeter-99.0-py3-none-any.whl"
    ]
    served.public.asked.clear()


def test_reserved_name_that_is_not_published_is_nobodys(served: Served) -> None:
    """A name of ours is not looked for elsewhere, however it is spelt; another one is."""
    status, _, said = served.ask("/simple/taskmgr-nobody/")
    assert (status, said[:28]) == (404, b"no project 'taskmgr-nobody';")
    for name in ("Taskmgr_Nobody", "taskmgr.NOBODY", "TASKMGR%2D-nobody"):
        status, headers, _ = served.ask(f"/simple/{name}/")
        assert (status, headers["Location"]) == (301, "../taskmgr-nobody/")
    status, headers, _ = served.ask("/simple/Glad.Words/")
    assert (status, headers["Location"]) == (302, f"{served.public.url}/glad-words/")


@pytest.mark.parametrize("path", ["/simple/", "/simple/attrs/", "/nothing", "/files/0/x.whl"])
def test_nothing_is_told_without_the_token(served: Served, path: str) -> None:
    """A wrong token or none is answered with 401 and how to show it, wherever it is asked."""
    for token in ("", "wrong", served.token[:-1], served.token + "x"):
        status, headers, said = served.ask(path, token=token)
        assert (status, headers["WWW-Authenticate"][:25]) == (401, 'Basic realm="taskmgr inde')
        assert served.public.url.encode() not in said
    assert served.ask("/simple/", token="", Authorization=f"Bearer {served.token}")[0] == 200
    assert served.token not in served.log.read_text()


def test_wheel_comes_byte_for_byte(served: Served, wheel: Mapping[str, Any]) -> None:
    """The page leads to the published bytes and to their METADATA, each under its digest."""
    accept = "application/vnd.pypi.simple.v1+json"
    _, headers, page = served.ask(f"/simple/{NAME}/", Accept=accept)
    assert headers["Content-Type"] == accept
    (file,) = json.loads(page)["files"]
    path = "/" + file["url"].removeprefix("../../")
    status, headers, content = served.ask(path)
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == wheel["digest"]
    assert (status, int(headers["Content-Length"])) == (200, wheel["size"])
    assert "immutable" in headers["Cache-Control"]
    metadata = served.ask(f"{path}.metadata")[2]
    assert hashlib.sha256(metadata).hexdigest() == file["core-metadata"]["sha256"]
    assert b"Requires-Dist: glad-words>=1" in metadata


def test_head_and_conditional_requests_send_no_body(
    served: Served, wheel: Mapping[str, Any]
) -> None:
    """HEAD tells the length alone; what a client has already is not sent again."""
    path = f"/files/{wheel['digest'].removeprefix('sha256:')}/{wheel['filename']}"
    status, headers, body = served.ask(path, "HEAD")
    assert (status, int(headers["Content-Length"]), body) == (200, wheel["size"], b"")
    for each in (path, f"{path}.metadata", f"/simple/{NAME}/", "/simple/"):
        tag = served.ask(each, "HEAD")[1]["ETag"]
        status, _, body = served.ask(each, If_None_Match=f'"other", {tag}')
        assert (each, status, body) == (each, 304, b"")
        assert served.ask(each, If_None_Match='"other"')[0] == 200


def test_what_is_no_wheel_of_a_page_is_not_served(served: Served, wheel: Mapping[str, Any]) -> None:
    """Neither another artifact of the store nor a wheel under another name."""
    digest = wheel["digest"].removeprefix("sha256:")
    other = "taskmgr_greeter-2.0.0-py3-none-any.whl"
    for path in (f"/files/{digest}/{other}", f"/files/{'0' * 64}/{wheel['filename']}"):
        assert served.ask(path)[0] == 404
    assert served.ask(f"/files/{digest}/taskmgr.lock")[0] == 404
    assert served.ask("/simple/taskmgr-greeter/", "POST")[0] == 405


def test_published_task_never_runs_a_lookalike(platform: CommandLine) -> None:
    """Published and run with an index that has it in version 99, the task is ours."""
    assert platform.json("run", "greeter", "name=Ada")["result"]["result"] == (
        "Good day, Ada, from 1.0.0"
    )


@pytest.mark.parametrize(
    ("dependency", "said"),
    [
        ("taskmgr-greeter", "other-greeter depends on taskmgr-greeter; a task can use"),
        ("sly-words", "taskmgr-nobody is taskmgr's own"),
    ],
)
def test_dependency_with_a_name_of_ours_is_refused(
    platform: CommandLine, tmp_path: Path, dependency: str, said: str
) -> None:
    """Neither directly nor over others does a plugin get such a name from an index."""
    folder = write_project(
        tmp_path / "other", dependency, "taskmgr-plugins", name="other-greeter", task="other"
    )
    assert said in platform("publish", folder, code=2).err


def test_token_is_for_its_owner_alone(served: Served) -> None:
    """It is made once, readable for nobody else, and stands in no output."""
    path = served.taskmgr.home / "index-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(served.token) >= 40
    told = served.log.read_text()
    assert f"$(cat {path})" in told
    assert served.token not in told
    settings = {**served.taskmgr.settings, "TASKMGR_INDEX_TOKEN": "x" * 20}
    told = attrs.evolve(served.taskmgr, settings=settings)("config").out
    assert ("x" * 20 in told, "(set)" in told) == (False, True)


def test_interrupt_ends_it_cleanly(platform: CommandLine, tmp_path: Path) -> None:
    """Ctrl-C as soon as it says where it is: exit code 0, and nothing more is said."""
    log = tmp_path / "index.log"
    with platform.started("index", "serve", "--port", "0", log=log) as process:
        wait_until(lambda: "projects on" in log.read_text(), "the index says where it is")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert log.read_text().splitlines()[-1].startswith("names that are not ours")


def test_index_that_others_could_reach_is_refused(platform: CommandLine, tmp_path: Path) -> None:
    """Before it listens it says what is wrong: no TLS, a weak token, a password for everybody."""
    short = tmp_path / "token"
    short.write_text("secret")
    for words, said in (
        (["--host", "0.0.0.0"], "Put a proxy that speaks TLS before it"),  # noqa: S104
        (["--token-file", str(short)], "the token of 6 characters is not allowed"),
        (["--upstream", "https://me:pw@index.test/simple"], "must have no user, password"),
        (["--upstream", "index.test"], "allowed is the address of a simple index"),
    ):
        err = platform("index", "serve", "--port", "0", *words, code=2).err
        assert said in err
        assert "pw@" not in err
