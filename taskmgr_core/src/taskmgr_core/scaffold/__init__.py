"""Writes new plugin projects."""

from taskmgr_core.scaffold.projects import TEMPLATES, Project, create_project

__all__ = ["TEMPLATES", "Project", "create_project"]
