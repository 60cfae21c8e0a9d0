"""Where the truth is kept: metadata (what happened) and artifacts (bytes)."""
