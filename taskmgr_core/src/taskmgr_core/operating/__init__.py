"""What operators set while everything runs: limits, and what is kept of results.

The command line and the REST API do the same with it.
"""
