# The image of a worker: docker build --tag taskmgr-worker .
# Every package comes as a wheel whose hash is in requirements/.
FROM python:3.13.9-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /opt/taskmgr
COPY requirements/uv.txt requirements/runtime.txt requirements/
RUN /opt/taskmgr/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: --requirement requirements/uv.txt \
    && /opt/taskmgr/bin/uv pip install --no-cache --python /opt/taskmgr/bin/python \
        --require-hashes --only-binary :all: --requirement requirements/runtime.txt
COPY taskmgr_plugins taskmgr_plugins
COPY taskmgr_core taskmgr_core
COPY tui tui
# Our own come from these folders only and are never looked up in an index.
RUN /opt/taskmgr/bin/uv pip install --no-cache --offline --no-deps \
        --python /opt/taskmgr/bin/python ./taskmgr_plugins ./taskmgr_core ./tui

FROM python:3.13.9-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/taskmgr taskmgr
COPY --from=build /opt/taskmgr /opt/taskmgr
ENV PATH=/opt/taskmgr/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    UV_PYTHON_DOWNLOADS=never
USER 10001
WORKDIR /var/lib/taskmgr
CMD ["sh", "-c", "taskmgr init && exec taskmgr worker start"]
