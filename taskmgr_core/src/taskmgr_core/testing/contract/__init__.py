"""Contract tests for plugin authors: ``pytest --taskmgr-contract``."""
