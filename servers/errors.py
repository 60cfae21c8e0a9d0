"""What goes wrong with a server for tests."""


class ServerError(Exception):
    """A server does not start, does not answer, or cannot do what is asked of it."""


class ServerUnavailableError(ServerError):
    """There is no program for it here, and no address of one was given."""
