"""Notifications by webhook and e-mail: a hook plugin that comes with taskmgr."""
