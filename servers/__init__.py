"""Real servers as child processes: Redis, the MongoDB protocol and S3, on this machine alone.

For tests, benchmarks and ``make services``; no part of what is shipped. Each server
listens on free ports of the loopback interface, wants a password, keeps its data in the
folder that it is given, and ends with the process that started it.
"""

from servers.errors import ServerError, ServerUnavailableError
from servers.kinds import KINDS, Kind, open_server
from servers.mongodb_server import start_mongodb
from servers.redis_server import start_redis
from servers.s3_server import start_s3
from servers.server import Server
from servers.shares import Share

__all__ = [
    "KINDS",
    "Kind",
    "Server",
    "ServerError",
    "ServerUnavailableError",
    "Share",
    "open_server",
    "start_mongodb",
    "start_redis",
    "start_s3",
]
