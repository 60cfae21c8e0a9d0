"""Traces of OpenTelemetry. It needs ``taskmgr-core[otel]``; nothing else of taskmgr imports it."""
