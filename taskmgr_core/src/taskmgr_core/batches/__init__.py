"""Batches: a pipeline over any number of inputs, and files of what came of them."""
