"""What the dashboard shows, made without a terminal."""
