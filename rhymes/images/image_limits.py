"""How large a picture may be: a client does not send what the server would refuse."""

from __future__ import annotations

MAX_IMAGE_BYTES = 50_000_000
"""Of an encoded picture."""

MAX_IMAGE_PIXELS = 50_000_000
"""Of a decoded one; as float32 it takes 600 MB in the runtime."""
