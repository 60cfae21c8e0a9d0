"""`taskmgr init --compose`: a team's servers with Docker Compose, nothing in it a default."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import REPOSITORY, CommandLine

VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:?[?-])?")
PINNED = re.compile(r":(RELEASE\.)?v?\d[\w.-]*(@sha256:[0-9a-f]{64})?$")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|AUTH")


@pytest.fixture
def written(empty: CommandLine) -> Path:
    """A folder with what the command writes."""
    empty("init", "--compose", "servers")
    return empty.folder / "servers"


@pytest.fixture
def services(written: Path) -> dict[str, Any]:
    """The services of the compose file."""
    found: dict[str, Any] = yaml.safe_load((written / "docker-compose.yml").read_text())["services"]
    return found


def variables(path: Path) -> dict[str, str]:
    """The lines of an environment file."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_passwords_are_new_each_time_and_their_owner_s_alone(
    empty: CommandLine, written: Path
) -> None:
    """Each password is long, no two are the same, and nobody else can read the file."""
    empty("init", "--compose", "others")
    texts = [
        value
        for folder in (written, empty.folder / "others")
        for name, value in variables(folder / ".env").items()
        if SECRET_NAME.search(name)
    ]
    assert len(texts) == len(set(texts)) == 8
    assert all(re.fullmatch(r"[0-9a-f]{48}", each) for each in texts)
    assert stat.S_IMODE((written / ".env").stat().st_mode) == 0o600
    assert not (written / ".taskmgr").exists()


def test_nothing_is_overwritten(empty: CommandLine, written: Path) -> None:
    """A second time is refused and changes nothing; so is a compose file of another's."""
    before = (written / ".env").read_text()
    assert "is there already" in empty("init", "--compose", "servers", code=2).err
    assert (written / ".env").read_text() == before
    other = empty.folder / "other"
    other.mkdir()
    (other / "docker-compose.yml").write_text("services: {}\n")
    empty("init", "--compose", "other", code=2)
    assert not (other / ".env").exists()


def test_passwords_are_made_beside_the_checked_in_file(empty: CommandLine) -> None:
    """In a checkout, whose compose file is the same, only the passwords are added."""
    folder = empty.folder / "checkout"
    folder.mkdir()
    shutil.copy(REPOSITORY / "docker-compose.yml", folder)
    empty("init", "--compose", "checkout")
    assert {each.name for each in folder.iterdir()} == {"docker-compose.yml", ".env"}


def test_checked_in_file_is_what_the_command_writes(written: Path) -> None:
    """The file in the repository's root is the template."""
    name = "docker-compose.yml"
    assert (REPOSITORY / name).read_text() == (written / name).read_text()


def test_password_is_in_no_output(empty: CommandLine) -> None:
    """The command tells which files it wrote, and nothing of what is in them that is secret."""
    done = empty("init", "--compose", "servers")
    for name, value in variables(empty.folder / "servers" / ".env").items():
        assert not SECRET_NAME.search(name) or value not in done.out + done.err


def test_every_service_is_checked_pinned_and_local(services: dict[str, Any]) -> None:
    """Each has a health check, an exact version, and ports on loopback only; all restart."""
    assert set(services) == {"redis", "mongodb", "minio", "seaweedfs", "flower", "worker", "api"}
    for name, service in services.items():
        assert service["healthcheck"]["test"], name
        assert re.search(r":(RELEASE\.)?v?\d[\w.-]*(@sha256:[0-9a-f]{64})?$", service["image"]), (
            name
        )
        assert service["restart"] == "unless-stopped", name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_data_is_in_named_volumes(written: Path, services: dict[str, Any]) -> None:
    """What is to last is in volumes with a name, and none is declared in vain."""
    declared = set(yaml.safe_load((written / "docker-compose.yml").read_text())["volumes"])
    used = {
        each.split(":")[0] for service in services.values() for each in service.get("volumes", [])
    }
    assert used == declared


def test_no_password_has_a_default(written: Path, services: dict[str, Any]) -> None:
    """Every secret comes from the environment and has to be there; no command has one in it."""
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if SECRET_NAME.search(variable):
                assert re.search(r"\$\{\w+:\?", value), f"{name}: {variable}"
        assert "${" not in str(service.get("command", "")), name
        assert "${" not in str(service["healthcheck"]), name
    text = (written / "docker-compose.yml").read_text()
    needed = {name for name, kind in VARIABLE.findall(text) if kind == ":?"}
    assert needed <= set(variables(written / ".env"))
    assert needed == {each for each in needed if SECRET_NAME.search(each)} | {
        "MONGODB_USER",
        "MINIO_ACCESS_KEY",
    }


def test_image_is_built_by_hash_for_a_user_without_rights() -> None:
    """The Dockerfile pins its base, asks for hashes and wheels, and leaves root."""
    lines = (REPOSITORY / "Dockerfile").read_text()
    assert all(
        re.search(r"python:\d+\.\d+\.\d+-slim", each) for each in re.findall(r"FROM .*", lines)
    )
    assert lines.count("--require-hashes --only-binary :all:") == 2
    assert re.search(r"^USER (?!0|root)", lines, re.MULTILINE)
    for source in re.findall(r"^COPY (?!--from)(.*) \S+$", lines, re.MULTILINE):
        assert all((REPOSITORY / each).exists() for each in source.split())


def test_compose_takes_the_file(written: Path) -> None:
    """Where there is a Docker Compose, it finds nothing wrong, in both profiles."""
    docker = shutil.which("docker")
    probe = [docker or "docker", "compose", "version"]
    if docker is None or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("there is no docker compose here")
    for profile in ("minio", "seaweedfs"):
        subprocess.run(
            [docker, "compose", "--profile", profile, "config", "--quiet"], cwd=written, check=True
        )
