"""uv gets a clean environment, what the user told pip, and nothing that undoes its checks."""

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
import psutil
import pytest

from taskmgr_core.errors import EnvironmentBuildError, RunnerError
from taskmgr_core.uv import Uv, UvFailed
from taskmgr_core.uv_settings import (
    configuration_variables,
    describe_carried,
    indexes_of_pip,
    no_index,
    read_pip_settings,
    uv_environment,
    without_secrets,
)

INDEX = "https://packages.test/simple"
DEADLINE = 30.0


def test_environment_passes_uv_proxy_and_certificates_and_nothing_else() -> None:
    """Of the user's environment uv gets what it needs; a secret stays outside."""
    environ = {
        "UV_OFFLINE": "1",
        "https_proxy": "http://proxy.test",
        "SSL_CERT_FILE": "/etc/own.pem",
        "HOME": "/home/ann",
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "VIRTUAL_ENV": "/venv",
    }
    got = uv_environment(environ, {})
    assert environ.items() - got.items() == {
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("VIRTUAL_ENV", "/venv"),
    }


def test_environment_never_lets_uv_download_a_python() -> None:
    """Whatever the user has set, no interpreter is fetched."""
    assert (
        uv_environment({"UV_PYTHON_DOWNLOADS": "automatic"}, {})["UV_PYTHON_DOWNLOADS"] == "never"
    )


@pytest.mark.parametrize(
    "name",
    ["UV_NO_VERIFY_HASHES", "UV_INSECURE_NO_ZIP_VALIDATION", "UV_NO_BINARY", "UV_PYTHON"],
)
def test_environment_drops_what_would_undo_the_checks(name: str) -> None:
    """A variable that switches hash checks or wheels off does not reach uv."""
    assert name not in uv_environment({name: "1"}, {})


@pytest.mark.parametrize(
    ("setting", "value", "variable", "carried"),
    [
        ("index-url", INDEX, "UV_DEFAULT_INDEX", INDEX),
        ("extra-index-url", f"{INDEX} {INDEX}2", "UV_INDEX", f"{INDEX} {INDEX}2"),
        ("find-links", "/wheels  https://x.test/y", "UV_FIND_LINKS", "/wheels,https://x.test/y"),
        ("constraint", "/a.txt /b.txt", "UV_CONSTRAINT", "/a.txt /b.txt"),
        ("cert", "/etc/own.pem", "SSL_CERT_FILE", "/etc/own.pem"),
        ("client-cert", "/etc/me.pem", "SSL_CLIENT_CERT", "/etc/me.pem"),
        ("proxy", "http://proxy.test", "ALL_PROXY", "http://proxy.test"),
        ("trusted-host", "a.test b.test", "UV_INSECURE_HOST", "a.test b.test"),
        ("default-timeout", "180", "UV_HTTP_TIMEOUT", "180"),
    ],
)
def test_environment_carries_pip_settings_over(
    setting: str, value: str, variable: str, carried: str
) -> None:
    """Each of pip's settings has its counterpart in uv's own form."""
    assert uv_environment({}, {setting: value})[variable] == carried


@pytest.mark.parametrize(
    ("told", "setting", "untouched"),
    [
        ("UV_DEFAULT_INDEX", "index-url", "UV_DEFAULT_INDEX"),
        ("UV_INDEX_URL", "index-url", "UV_DEFAULT_INDEX"),
        ("UV_EXTRA_INDEX_URL", "extra-index-url", "UV_INDEX"),
        ("HTTPS_PROXY", "proxy", "ALL_PROXY"),
    ],
)
def test_environment_leaves_what_the_user_told_uv(told: str, setting: str, untouched: str) -> None:
    """A variable that is set, even to nothing, wins over pip's setting."""
    for value in ("mine", ""):
        got = uv_environment({told: value}, {setting: "pip's"})
        assert got.get(untouched) == (value if told == untouched else None)


def test_pip_settings_come_from_files_and_variables(tmp_path: Path) -> None:
    """The user's file, its [install] over its [global], and PIP_* over both."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip/pip.conf").write_text(
        "[global]\nindex-url = a\nextra_index_url =\n  b\n  c\ncert = x\n[install]\nindex-url = d\n"
    )
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "PIP_CERT": "y", "PIP_PROXY": ""}
    got = read_pip_settings(environ)
    assert (got["index-url"], got["extra-index-url"], got["cert"]) == ("d", "b c", "y")
    assert "proxy" not in got


def test_pip_settings_of_files_are_off_when_pip_is_told_so(tmp_path: Path) -> None:
    """PIP_CONFIG_FILE at the null device means no file, as it does for pip."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip/pip.conf").write_text("[global]\nindex-url = a\n")
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    assert "index-url" not in read_pip_settings(environ)


def test_pip_no_index_counts_only_while_uv_has_no_index() -> None:
    """An index that uv is told is used, whatever pip may not do."""
    assert no_index({}, {"no-index": "true"})
    assert not no_index({"UV_INDEX": INDEX}, {"no-index": "true"})


def test_indexes_are_used_as_pip_does_only_while_they_are_pips() -> None:
    """With an index or a strategy of uv's own, uv's own rules hold."""
    assert indexes_of_pip({}, {"extra-index-url": INDEX})
    assert not indexes_of_pip({"UV_INDEX": INDEX}, {"extra-index-url": INDEX})
    assert not indexes_of_pip({"UV_INDEX_STRATEGY": "first-index"}, {"extra-index-url": INDEX})


def test_description_says_what_is_carried_without_secrets() -> None:
    """doctor names both sides; a password in an address is not shown."""
    settings = {"index-url": "https://ann:geheim@packages.test/simple", "cert": "/own.pem"}
    lines = describe_carried({"SSL_CERT_FILE": "/mine.pem"}, settings)
    assert lines == [
        f"pip's index-url is carried over to uv: UV_DEFAULT_INDEX={INDEX}",
        "pip's cert is not carried over: SSL_CERT_FILE is set",
    ]


def test_secrets_are_taken_out_of_every_address() -> None:
    """User, password and token go; the rest of the text stays."""
    text = "error at https://ann:pw@a.test/x and git+ssh://tok@b.test, mail me@c.test"
    assert without_secrets(text) == (
        "error at https://a.test/x and git+ssh://b.test, mail me@c.test"
    )


def test_configuration_is_the_users_file_or_none(tmp_path: Path) -> None:
    """The user's uv.toml is used; without one, no file at all is looked for."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    if not Path("/etc/uv/uv.toml").exists():
        assert configuration_variables(environ) == {"UV_NO_CONFIG": "1"}
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv/uv.toml").write_text("")
    assert configuration_variables(environ) == {"UV_CONFIG_FILE": str(tmp_path / "uv/uv.toml")}
    assert configuration_variables({**environ, "UV_NO_CONFIG": "1"}) == {}


def test_run_ignores_the_settings_of_the_project_it_is_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken uv.toml in the working folder does not reach an installation."""
    (tmp_path / "uv.toml").write_text('link-mode = "nonsense"\n')
    monkeypatch.chdir(tmp_path)
    uv = Uv.find({**os.environ, "XDG_CONFIG_HOME": str(tmp_path)})
    with pytest.raises(UvFailed, match="nonsense"):
        uv.run(["venv", "read"], without=("UV_NO_CONFIG",))
    uv.run(["venv", "made"])
    assert (tmp_path / "made/pyvenv.cfg").is_file()


def test_run_failure_has_the_last_lines_without_secrets(tmp_path: Path) -> None:
    """uv's own words reach the user, and a password in an index does not."""
    (tmp_path / "in.txt").write_text("nothing-of-that-name")
    index = "http://ann:geheim@127.0.0.1:9/simple"
    told = {"UV_HTTP_RETRIES": "0", "UV_DEFAULT_INDEX": index, "UV_INDEX": ""}
    uv = Uv.find({**os.environ, **told, "UV_CACHE_DIR": str(tmp_path / "cache")})
    with pytest.raises(UvFailed, match=r"(?s)uv says:.*127\.0\.0\.1:9") as caught:
        uv.run(["pip", "compile", str(tmp_path / "in.txt")])
    assert "geheim" not in str(caught.value)


def test_interpreter_is_our_own_where_it_fits() -> None:
    """No process is needed for the usual case."""
    uv = Uv(Path("/nowhere/uv"), {})
    minor = ".".join(platform.python_version_tuple()[:2])
    for wanted in ("", minor, ">=3.11"):
        assert uv.interpreter(wanted).version == platform.python_version()
        assert uv.interpreter(wanted).minor == minor


def test_interpreter_that_is_nowhere_is_named() -> None:
    """The message names the Python that is wanted and what to do."""
    with pytest.raises(EnvironmentBuildError, match=r"no Python >=3\.99 on this machine.*install"):
        Uv.find(os.environ).interpreter(">=3.99")


# stopping

HANGING = """#!/bin/sh
echo $$ > "$1"
sleep 600 &
echo $! >> "$1"
wait
"""


@pytest.fixture
def hanging(tmp_path: Path) -> Uv:
    """A uv that never ends; it writes its process id and its child's into the file it is given."""
    (tmp_path / "uv").write_text(HANGING)
    (tmp_path / "uv").chmod(0o755)
    return Uv(tmp_path / "uv", {"PATH": os.environ["PATH"]}, seconds=DEADLINE)


def started(told: Path) -> list[int]:
    """The process ids that the hanging uv wrote; empty until it has."""
    words = told.read_text().split() if told.exists() else []
    return [int(each) for each in words] if len(words) == 2 else []


def gone(process: int) -> bool:
    """Whether a process has ended; one that nobody has asked for its status has, too."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_gone(told: Path) -> None:
    """The hanging uv and its child are there no more, soon."""
    deadline = time.monotonic() + DEADLINE
    while not all(gone(each) for each in started(told)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_run_that_is_cancelled_ends_with_all_that_it_started(hanging: Uv, tmp_path: Path) -> None:
    """A cancelled run is told as such at once, and leaves no process."""
    told = tmp_path / "told"
    with pytest.raises(RunnerError, match="cancelled") as caught:
        hanging.run([str(told)], cancelled=lambda: bool(started(told)))
    assert (caught.value.code, caught.value.retryable) == ("cancelled", False)
    assert_gone(told)


def test_installation_that_is_cancelled_is_not_tried_again(hanging: Uv, tmp_path: Path) -> None:
    """Where further indexes could be asked, a cancelled run is not taken for a failed one."""
    told = tmp_path / "told"
    with_indexes = attrs.evolve(hanging, environment={**hanging.environment, "UV_INDEX": INDEX})
    with pytest.raises(RunnerError, match="cancelled"):
        with_indexes.install([str(told)], cancelled=lambda: bool(started(told)))
    assert_gone(told)


def test_run_has_a_time_limit(hanging: Uv, tmp_path: Path) -> None:
    """One that hangs is stopped, the message has the limit, and no second way is tried."""
    told = tmp_path / "told"
    impatient = attrs.evolve(hanging, seconds=0.3, as_pip=True)
    begun = time.monotonic()
    with pytest.raises(UvFailed, match=r"stopped after 0\.3 s"):
        impatient.resolve([str(told)])
    assert time.monotonic() - begun < DEADLINE / 2
    assert_gone(told)


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from taskmgr_core.uv import Uv
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
uv = Uv(Path(sys.argv[1]), dict(os.environ))
print(uv.run(["-c", "echo $$; read line < $0; echo $line", sys.argv[2]]), flush=True)
"""


def test_run_survives_a_ctrl_c_to_the_group(tmp_path: Path) -> None:
    """An interrupt of the terminal, which a worker takes for itself, does not end its uv."""
    os.mkfifo(tmp_path / "pipe")
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, "/bin/sh", tmp_path / "pipe"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with (tmp_path / "pipe").open("w") as pipe:  # waits until uv reads it
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        pipe.write("done\n")
    written, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert written.split()[-1] == "done"


def test_uv_holds_what_it_is_given(tmp_path: Path) -> None:
    """A descriptor is open in what is run with it, and in nothing else."""
    with (tmp_path / "lock").open("w") as lock:
        uv = Uv(Path("/bin/sh"), {})
        script = ["-c", f"test -e /dev/fd/{lock.fileno()} && echo held || echo free"]
        assert uv.holding(lock.fileno()).run(script) == "held\n"
        assert uv.run(script) == "free\n"
