"""What a comparison of sides found out, as figures and as Markdown, the same bytes each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rhymes.detections.detections import BOXES, CLASSES, MASKS, SCORES
from rhymes.detector.parity import Parity, difference_to_bound
from rhymes.detector.verification import Kind

Parities = Mapping[Kind, Mapping[str, Parity]]

_COLUMNS = (BOXES, SCORES, CLASSES, MASKS)


def parities_to_metrics(
    version: int, images: int, sampled: int, parities: Parities
) -> dict[str, Any]:
    """Return all figures; differences as the power of ten that they do not exceed."""
    return {
        "version": version,
        "images": images,
        "sampled_images": sampled,
        **{
            kind.key: {name: _parity_to_metrics(parity) for name, parity in measured.items()}
            for kind, measured in parities.items()
        },
    }


def _parity_to_metrics(parity: Parity) -> dict[str, Any]:
    return {
        "tolerance": parity.tolerance,
        "pictures": parity.pictures,
        "detections": parity.detections,
        "moved": parity.moved,
        "borderline": parity.borderline,
        "differences": {
            name: difference_to_bound(difference)
            for name, difference in sorted(parity.differences.items())
        },
    }


def parities_to_markdown(version: int, images: int, sampled: int, parities: Parities) -> str:
    """Write the report."""
    parts = ["# The served detector against the trained one", _intro(version, images, sampled)]
    for kind, measured in parities.items():
        parts += [f"## {kind.title}", _table(measured)]
    return "\n\n".join(parts) + "\n"


def _intro(version: int, images: int, sampled: int) -> str:
    return (
        f"Version {version}, served over gRPC by the embedded server, on {images} pictures of the "
        f"test split; what costs most on {sampled} of them, spread over the split. A difference "
        "is given as the power of ten that it does not exceed: of boxes in fractions of the "
        "picture's sides, of masks in probability, of a client's cut masks as the share of pixels "
        "that differ. Moved detections stand at another place among nearly equal scores; "
        "borderline ones are on one side only, for their score lies on the edge of being kept."
    )


def _table(measured: Mapping[str, Parity]) -> str:
    header = [
        "signature", "pictures", "detections", "boxes", "scores", "classes", "masks",
        "allowed", "moved", "borderline",
    ]  # fmt: skip
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    lines += [_parity_to_cells(name, parity) for name, parity in measured.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _parity_to_cells(signature: str, parity: Parity) -> list[str]:
    differences = [
        _bound_to_text(parity.differences[name]) if name in parity.differences else "n/a"
        for name in _COLUMNS
    ]
    counts = [str(parity.pictures), str(parity.detections)]
    return [
        signature, *counts, *differences,
        f"{parity.tolerance:.0e}", str(parity.moved), str(parity.borderline),
    ]  # fmt: skip


def _bound_to_text(difference: float) -> str:
    bound = difference_to_bound(difference)
    return "not comparable" if bound is None else f"{bound:.0e}"
