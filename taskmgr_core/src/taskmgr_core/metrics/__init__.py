"""The metrics of the platform as Prometheus reads them.

Imported by whoever is asked for them: it needs the client library of Prometheus, and nothing
else of taskmgr does.
"""

from taskmgr_core.metrics.exposition import metrics_text

__all__ = ["metrics_text"]
