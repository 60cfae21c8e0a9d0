"""Real servers without Docker, for tests, benchmarks and a developer's machine."""
