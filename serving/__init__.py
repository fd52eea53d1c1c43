"""Both ends of TensorFlow Serving's wire: a client, and a server that needs no Docker."""

import formats  # noqa: F401  (sets what TensorFlow reads when it is first imported)
