"""What spans and metrics share of OpenTelemetry: which exporters its own variables ask for, and what is said of us. Nothing
of it is imported before somebody asks.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

Signal = Literal["traces", "metrics"]
_SAID: Mapping[Signal, str] = {"traces": "spans", "metrics": "metrics"}


def exporters(environment: Mapping[str, str], signal: Signal = "traces") -> tuple[str, ...]:
    """The exporters that OpenTelemetry's variables ask for, by the names under which their packages register them."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}"
    said = environment.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    if not said:
        endpoints = (f"{own}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
        said = "otlp" if any(environment.get(name, "").strip() for name in endpoints) else "none"
    protocols = (f"{own}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next((value for name in protocols if (value := environment.get(name, "").strip())), "http/protobuf")
    otlp = f"otlp_proto_{protocol.partition('/')[0]}"
    names = [name.strip() for name in said.split(",") if name.strip()]
    return tuple(otlp if name == "otlp" else name for name in names if name != "none")


def is_installed() -> bool:
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.sdk") is not None


def exporter(name: str, signal: Signal, log: logging.Logger) -> Any | None:
    """By the package that registers it under this name; None, and said why, where it cannot be made."""
    try:
        (entry,) = entry_points(group=f"opentelemetry_{signal}_exporter", name=name)
        return entry.load()()
    except ValueError:
        log.error("No %s go to the exporter %r: no package installed here brings it.", _SAID[signal], name)
    except Exception:
        log.exception("No %s go to the exporter %r: it does not take its settings.", _SAID[signal], name)
    return None


def resource(release: str, environment: Mapping[str, str]) -> Resource:
    """Who tells it. The environment's own names count more."""
    from opentelemetry.sdk.resources import Resource

    own: dict[str, str | int] = {"service.version": release, "process.pid": os.getpid()}
    is_named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create(own if is_named else own | {"service.name": "lockgate"})
