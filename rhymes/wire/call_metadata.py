"""What our server says of a Predict beside TensorFlow Serving's answer: its trailing metadata.

Other clients pass over it, and other servers do not send it.
"""

from __future__ import annotations

IDENTITY_KEY = "rhymes-model-identity"
"""Of the version's bytes: others under the same number differ in it."""

SECONDS_KEY = "rhymes-server-seconds"
"""Decimal seconds that the call spent in the server."""
