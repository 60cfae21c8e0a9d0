"""Schedules: when a pipeline is run by itself, and who sees to it."""
