"""Where spans go: to the provider of this program, or to one that OTEL_* variables describe."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from taskmgr_core.errors import SettingsError

EXPORTERS_GROUP = "opentelemetry_traces_exporter"
# The names of OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_PROTOCOL -> entry points.
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_SERVICE = "taskmgr"


def provider_of(environ: Mapping[str, str]) -> tuple[TracerProvider, bool]:
    """The provider, and whether it is ours to be shut down.

    A program that has one, as an application that submits runs, goes on with it. Sampler,
    limits and the resource are read from the environment by the SDK itself.

    Arguments:
        environ: the process's environment.

    Raises:
        SettingsError: an exporter that OTEL_TRACES_EXPORTER names is not installed.
    """
    present = trace.get_tracer_provider()
    if isinstance(present, TracerProvider):
        return present, False
    named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    version = importlib.metadata.version("taskmgr-core")
    attributes = (
        {"service.version": version}
        if named
        else {
            "service.name": _SERVICE,
            "service.version": version,
        }
    )
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    for exporter in exporters_of(environ):
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, True


def exporters_of(environ: Mapping[str, str]) -> list[SpanExporter]:
    """The exporters that OTEL_TRACES_EXPORTER names; by default that of OTLP.

    Raises:
        SettingsError: one is not installed.
    """
    names = (environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(",")
    wanted = [each.strip() for each in names if each.strip() not in ("", "none")]
    installed = {each.name: each for each in importlib.metadata.entry_points(group=EXPORTERS_GROUP)}
    found: list[SpanExporter] = []
    for name in wanted:
        entry = _entry_name(name, environ)
        if entry not in installed:
            raise SettingsError(
                f"OTEL_TRACES_EXPORTER: there is no exporter {name!r} ({entry}); installed are "
                f"{', '.join(sorted(installed)) or 'none'}, and none exports nothing"
            )
        found.append(installed[entry].load()())
    return found


def _entry_name(name: str, environ: Mapping[str, str]) -> str:
    if name != "otlp":
        return name
    protocol = (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    return _OTLP.get(protocol, protocol)
