"""What the project promises about speed and memory, each measured as a ratio in one run."""

import rhymes  # noqa: F401  (sets what TensorFlow reads when it is first imported)
