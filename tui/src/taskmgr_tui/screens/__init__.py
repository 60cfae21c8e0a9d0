"""The screens: each asks one question in a thread and shows what it was told."""
