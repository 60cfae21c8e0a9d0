"""What an operator does from a screen with tasks and workers, beyond looking at runs.

Every question costs the same with a long history as with a short one. A screen may ask
from any thread.
"""
