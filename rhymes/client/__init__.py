"""A client of a model server: image bytes in, detections out. No TensorFlow.

    from rhymes.client import DetectorClient

What users of the library need is found here. Modules of the library import each other by their full
names, so that a stage depends on no more than it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rhymes.client.client import Answer, DetectorClient, Tls
    from rhymes.client.errors import ServingError
    from rhymes.detections.detections import Detections

__all__ = ["Answer", "Detections", "DetectorClient", "ServingError", "Tls"]

_MODULES = {
    "Answer": "rhymes.client.client",
    "DetectorClient": "rhymes.client.client",
    "Detections": "rhymes.detections.detections",
    "ServingError": "rhymes.client.errors",
    "Tls": "rhymes.client.client",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
