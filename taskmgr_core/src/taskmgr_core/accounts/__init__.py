"""Who may do what: roles, tokens, workspaces, the audit log, and how often somebody may ask.

``policy`` and ``interface`` are what a way in (the REST API) uses; they know no store.
"""
