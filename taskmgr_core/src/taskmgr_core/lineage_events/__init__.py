"""Runs as events of OpenLineage (https://openlineage.io), told as they happen or written to a file.

It needs ``taskmgr-core[openlineage]``, and nothing else of taskmgr imports it.
"""
