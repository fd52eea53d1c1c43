"""COCO's compressed RLE, checked before it is given to pycocotools or hotcoco.

Their C code trusts it: counts that run past the picture write past their memory. The format is that
of cocoapi's `rleFrString` (common/maskApi.c): a count is one or more characters from '0' on, of
each five bits, the lowest first, 0x20 saying that more follow, 0x10 of the last one the sign; from
the fourth count on what is written is the difference to the count before the last.
"""

from __future__ import annotations

_LOWEST, _MORE, _SIGN, _BITS = 48, 0x20, 0x10, 5


def check_rle(counts: str, width: int, height: int) -> None:
    """Make sure that the runs are those of a picture of this size.

    Raises:
        ValueError: saying what is wrong.
    """
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - _LOWEST
        if not 0 <= bits < 2 * _MORE:
            raise ValueError(f"mask: {character!r} is no character of a compressed RLE")
        value |= (bits & (_MORE - 1)) << shift
        shift += _BITS
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("mask: the compressed RLE breaks off")
    if min(runs, default=-1) < 0 or sum(runs) != width * height:
        raise ValueError(f"mask: its runs are not those of {width} x {height} pixels")
