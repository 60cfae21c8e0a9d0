"""What the REST API says: the same JSON as the commands print with ``--json``."""
