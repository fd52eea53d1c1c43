"""Images as cameras store them: turned, with a note of how."""

from __future__ import annotations

from PIL import Image

_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def upright_to_stored(image: Image.Image, orientation: int) -> Image.Image:
    """Turn an upright image as a camera stores it under an EXIF orientation, 1 to 8."""
    turn = _STORED.get(orientation)
    return image if turn is None else image.transpose(turn)
