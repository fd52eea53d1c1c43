"""COCO's compressed run lengths (RLE) of a mask: pycocotools' text of a list of counts."""

from __future__ import annotations

_LOWEST, _MORE, _SIGN, _BITS = 48, 0x20, 0x10, 5
# Of a count's shift; COCO's own counts are 32 bits.
_LONGEST = 60


def text_to_counts(text: str) -> list[int]:
    """Read the counts, of pixels outside and inside the mask by turns.

    The format is that of cocoapi's `rleFrString` (common/maskApi.c): a count is one or more
    characters from '0' on, of each five bits, the lowest first, 0x20 saying that more follow, 0x10
    of the last one the sign; from the fourth count on what is written is the difference to the
    count before the last.

    Raises:
        ValueError: saying what is wrong.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - _LOWEST
        if not 0 <= bits < 2 * _MORE or shift > _LONGEST:
            raise ValueError(f"{character!r} is no character of a compressed RLE")
        value |= (bits & (_MORE - 1)) << shift
        shift += _BITS
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the compressed RLE breaks off")
    return counts
