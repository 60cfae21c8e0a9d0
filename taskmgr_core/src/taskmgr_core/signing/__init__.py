"""Signed publications: keys, what is signed, and what a machine makes of a signature.

Knows no store: it says whether a task version, as it was read from one, is what somebody
whom this machine trusts has published.
"""
