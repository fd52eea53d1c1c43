"""What a picture is called when a person reads about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote


def image_to_name(image: Mapping[str, Any]) -> str:
    """The name by which users know a COCO image: its file's in the export, without the folder."""
    source = str(image.get("source") or image["file_name"])
    if "://" in source:
        source = unquote(source.partition("?")[0])
    return source.rstrip("/").rpartition("/")[2]
