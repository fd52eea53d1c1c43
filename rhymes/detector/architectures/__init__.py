"""The architectures that can be trained: a file each, named as `train.model` names it.

Each file defines `ARCHITECTURE`, a `rhymes.detector.architecture.Architecture`. The folder is the
list of them, so that a new file is all that a new architecture needs.
"""

import pkgutil


def list_names() -> list[str]:
    """The architectures' names, sorted. None is imported, so TensorFlow is not."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
