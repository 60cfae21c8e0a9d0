"""TLS by the servers' addresses alone: a trusted certificate is taken, another one refused."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tls_proxy import tls_in_front

from servers import Share
from taskmgr_core.errors import QueueError, SettingsError, StoreError
from taskmgr_core.queue.celery.queue import CeleryQueue
from taskmgr_core.specs import ReadyStep
from taskmgr_core.stores.mongodb import MongoMetadata
from taskmgr_core.stores.sqlite import SqliteMetadata


def moved(url: str, scheme: str, port: int, options: str) -> str:
    """An address of the same server at another port."""
    parts = urlsplit(url)
    account = parts.netloc.rpartition("@")[0]
    query = "&".join(filter(None, [parts.query, options]))
    return f"{scheme}://{account}@127.0.0.1:{port}{parts.path}?{query}"


def test_broker_is_used_over_tls(redis_server: Share, tmp_path: Path) -> None:
    """With rediss:// messages and questions both go over TLS, trusting the given certificate."""
    parts = urlsplit(redis_server.url)
    assert parts.hostname
    assert parts.port
    metadata = SqliteMetadata(tmp_path / "metadata.sqlite3")
    step = ReadyStep("run", "001", "echo", redis_server.name + "q", 5, time.time())
    with tls_in_front(parts.hostname, parts.port, tmp_path) as (port, certificate):
        trusting = moved(redis_server.url, "rediss", port, f"ssl_ca_certs={certificate}")
        queue = CeleryQueue(trusting, metadata)
        queue.announce("run", [step])
        assert queue.depth([step.queue]) == 1
        queue.close()


def test_broker_that_nobody_knows_is_refused(redis_server: Share, tmp_path: Path) -> None:
    """Without ssl_ca_certs neither Celery nor the rest takes a certificate that signs itself."""
    parts = urlsplit(redis_server.url)
    assert parts.hostname
    assert parts.port
    metadata = SqliteMetadata(tmp_path / "metadata.sqlite3")
    with tls_in_front(parts.hostname, parts.port, tmp_path) as (port, _):
        doubting = CeleryQueue(moved(redis_server.url, "rediss", port, ""), metadata)
        with pytest.raises(QueueError, match="certificate verify failed"):
            doubting.server_version()
        with (
            pytest.raises(Exception, match="certificate verify failed"),
            doubting.application.connection_for_write(connect_timeout=5) as connection,
        ):
            connection.connect()
        doubting.close()


def test_metadata_store_is_used_over_tls(mongodb_server: Share, tmp_path: Path) -> None:
    """With tls=true the store is used over TLS, trusting the certificate of tlsCAFile alone."""
    parts = urlsplit(mongodb_server.url)
    assert parts.hostname
    assert parts.port
    with tls_in_front(parts.hostname, parts.port, tmp_path) as (port, certificate):
        options = f"tls=true&tlsCAFile={certificate}"
        store = MongoMetadata(moved(mongodb_server.url, "mongodb", port, options))
        assert store.server_version()
        store.close()
        options = "tls=true&serverSelectionTimeoutMS=300"
        doubting = MongoMetadata(moved(mongodb_server.url, "mongodb", port, options))
        with pytest.raises(StoreError, match="certificate verify failed"):
            doubting.server_version()
        doubting.close()


@pytest.mark.parametrize(
    "address", ["redis://:secret@h:6379/0?ssl_ca_cert=/x", "redis://:secret@h:6379/0?tls=true"]
)
def test_misspelt_tls_option_of_the_broker_is_refused(address: str, tmp_path: Path) -> None:
    """An option that would be passed over in silence is named; the password is not."""
    with pytest.raises(SettingsError, match="has the option") as refused:
        CeleryQueue(address, SqliteMetadata(tmp_path / "metadata.sqlite3"))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("option", ["tlz=true", "tls=yes"])
def test_misspelt_tls_option_of_the_metadata_store_is_refused(option: str) -> None:
    """An option of which the driver only warns is refused: it would send the password openly."""
    with pytest.raises(SettingsError, match="no address of a MongoDB server") as refused:
        MongoMetadata(f"mongodb://user:secret@h/taskmgr?{option}")
    assert "secret" not in str(refused.value)
