"""The package index over the store: what is published, for pip and uv."""
