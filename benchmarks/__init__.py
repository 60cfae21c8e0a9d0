"""Measurements of what the platform costs; `make bench` runs them all."""
