"""One short module a DVC stage; `python -m stages.<name>` runs it in the repository's root."""

import rhymes  # noqa: F401  (sets what TensorFlow reads when it is first imported)
