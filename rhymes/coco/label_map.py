r"""Class names <-> TF Object Detection API's label map (`label_map.pbtxt`) and `labels.txt`.

The label map is a `StringIntLabelMap` of object_detection/protos/string_int_label_map.proto in
protobuf's text format, `item { id: 1 name: 'ABRICOT' }` repeated. It is read by protobuf's own
parser, so that a file from elsewhere (comments, double quotes, other fields) is understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from google.protobuf import text_format

from rhymes.common.errors import InputError
from rhymes.common.files import save_text
from rhymes.wire.messages import LabelMap

_ESCAPES = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def names_to_label_map(names: Sequence[str]) -> str:
    """Return the text of a label map: ids from 1 in the order of `names`, accents unescaped."""
    items = (
        f"item {{\n  id: {number}\n  name: '{name.translate(_ESCAPES)}'\n}}\n"
        for number, name in enumerate(names, start=1)
    )
    return "\n".join(items)


def save_label_map(path: Path, names: Sequence[str]) -> None:
    """Write `label_map.pbtxt`."""
    save_text(path, names_to_label_map(names))


def save_labels(path: Path, names: Sequence[str]) -> None:
    """Write `labels.txt`: a name a line, so that a class id is its line's number minus 1.

    The first two lines are the old converters' `__ignore__` and `Background` (class id 0).
    """
    save_text(path, "".join(f"{name}\n" for name in ("__ignore__", "Background", *names)))


def load_label_map(path: Path) -> dict[int, str]:
    """Read a label map: class id -> name (the `display_name` where there is one), by id.

    Raises:
        InputError: no such file, not a label map, an id below 1, without a name or given twice, a
            name given twice, or ids with gaps (detectors number their classes 1 to N).
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    return text_to_names(text, str(path))


def text_to_names(text: str, where: str) -> dict[int, str]:
    """Parse the text of a label map; `where` opens each error. See `load_label_map`."""
    message = LabelMap()
    try:
        text_format.Parse(text, message, allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: not a label map in protobuf's text format: {error}") from None
    pairs = [(item.id, item.display_name or item.name) for item in message.item]
    if problem := next(_problems(pairs), None):
        raise InputError(f"{where}: {problem}")
    return dict(sorted(pairs))


def _problems(pairs: list[tuple[int, str]]) -> Iterator[str]:
    if not pairs:
        yield "no item; a label map holds blocks like item { id: 1 name: 'CAT' }"
    ids: set[int] = set()
    names: set[str] = set()
    for number, name in pairs:
        if number < 1:
            yield f"'{name}' has id {number}; ids begin at 1, as 0 is the background"
        if not name:
            yield f"the item of id {number} has no name"
        if number in ids:
            yield f"id {number} stands twice"
        if name in names:
            yield f"the name '{name}' stands twice"
        ids.add(number)
        names.add(name)
    if missing := sorted(set(range(1, len(ids) + 1)) - ids):
        yield f"id {missing[0]} is missing; the ids of {len(ids)} classes are 1 to {len(ids)}"


def class_name(names: Mapping[int, str], class_id: int) -> str:
    """Say what a class is called; by its number where nothing names it."""
    return names.get(class_id, f"class {class_id}")
