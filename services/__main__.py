"""Start the three servers, print their URLs, stop them on Ctrl-C: ``make services``."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from pathlib import Path

from services.servers import mongodb, redis, s3


def main() -> int:
    """Run until interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taskmgr-services-")))
        services = {
            "TASKMGR_QUEUE_URL": redis(root / "redis"),
            "TASKMGR_METADATA_URL": mongodb(root / "mongodb"),
            "TASKMGR_ARTIFACTS_URL": s3(root / "s3"),
        }
        for service in services.values():
            stack.callback(service.server.stop)
            service.server.start()
        for name, service in services.items():
            print(f"export {name}='{service.url}'", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
