"""The queue of many machines: Celery on Redis. It carries ids; the truth is in the store."""
