"""What is recorded of who may do what: roles and permissions."""

from __future__ import annotations

import enum

ALL_WORKSPACES = "*"
DEFAULT_WORKSPACE = "default"


class Permission(enum.StrEnum):
    """Something that a principal may be allowed to do in a workspace."""

    READ = "read"
    """Look at tasks, runs, artifacts, lineage, logs, workers, schedules."""
    RUN = "run"
    """Submit, cancel and retry runs."""
    OPERATE = "operate"
    """Tell workers what to do; change schedules, rollouts, pins and yanks."""
    PUBLISH = "publish"
    """Publish versions of tasks, and pipelines."""
    ADMINISTER = "administer"
    """Make and revoke tokens, make and remove workspaces, read the audit log."""


class Role(enum.StrEnum):
    """What somebody is in a workspace; each may do all that those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    PUBLISHER = "publisher"
    ADMIN = "admin"
