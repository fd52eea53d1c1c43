"""Version labels: names that requests may use for a version's number.

Rules and texts as in TensorFlow Serving's server_core.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import grpc

from rhymes.serving.models.model_config import ModelConfig
from rhymes.wire.status import WireError


class Labels:
    """Labels by model.

    Args:
        allow_ahead: whether a new label may point to a version that is not available yet.
    """

    def __init__(self, allow_ahead: bool) -> None:
        self._allow_ahead = allow_ahead
        self._versions: Mapping[str, Mapping[str, int]] | None = None

    def check(
        self, configs: Iterable[ModelConfig], available: Callable[[str], Sequence[int]]
    ) -> None:
        """Check labels that are to replace these.

        Raises:
            WireError: FAILED_PRECONDITION; one points to a version that is not available.
        """
        for config in configs:
            versions = available(config.name)
            known = (self._versions or {}).get(config.name, {})
            for label, version in config.labels.items():
                is_allowed = self._allow_ahead and known.get(label, version) == version
                if version not in versions and not is_allowed:
                    raise WireError(
                        grpc.StatusCode.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {config.name}, "
                        "which is not currently available for inference",
                    )

    def replace(self, configs: Iterable[ModelConfig]) -> None:
        """Forget all labels and take those of the models given."""
        self._versions = {config.name: dict(config.labels) for config in configs}

    def find(self, model: str, label: str) -> int:
        """Return the version that a label points to.

        Raises:
            WireError: UNAVAILABLE before any model was configured, INVALID_ARGUMENT for an
                unknown label.
        """
        if self._versions is None:
            raise WireError(grpc.StatusCode.UNAVAILABLE, f"Model labels does not init yet.{label}")
        versions = self._versions.get(model, {})
        if label not in versions:
            raise WireError(
                grpc.StatusCode.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}"
            )
        return versions[label]
