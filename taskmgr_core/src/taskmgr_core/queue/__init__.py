"""How workers hear that there is something to do."""
