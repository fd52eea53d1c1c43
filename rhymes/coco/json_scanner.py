"""A streaming JSON parser: the values of a file of any length one by one, with byte offsets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from rhymes.common.errors import InputError

_WINDOW = 1 << 20  # bytes
_BLOCK = 1 << 14  # bytes that are parsed at once; more would leave the processor's cache
_LONG_LINE = 1 << 16  # bytes; what is longer holds many records, and would be copied for each
_BEHIND_VALUES = frozenset(" \t\n\r,:]}")
_SPACE = re.compile(rb"[ \t\n\r]*")


class JsonSpan(NamedTuple):
    """A value and where it stands: bytes `start` to `end` (exclusive) of the file are its JSON."""

    value: Any
    start: int
    end: int


class JsonScanner:
    """Walks through a file whose top is a JSON object, and holds only a window of it.

    Usage: for each key of `keys()`, take `value()`, or all of `elements()` where it is an array.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._decoder = json.JSONDecoder()
        self._window = b""
        self._offset = 0  # of the window in the file
        self._at = 0  # in the window
        self._text: str | None = None  # the window, each byte as one character

    def keys(self) -> Iterator[str]:
        """Yield the top object's keys, in the file's order.

        Raises:
            InputError: the file is not one JSON object.
        """
        self._take(b"{")
        if self._peek() != b"}":
            while True:
                key = self.value().value
                if not isinstance(key, str):
                    raise self._error("a key")
                self._take(b":")
                yield key
                if self._peek() != b",":
                    break
                self._take(b",")
        self._take(b"}")
        if self._peek():
            raise self._error("the end of the file")

    def elements(self) -> Iterator[JsonSpan]:
        """Yield the elements of the array that comes next.

        Raises:
            InputError: what comes next is not an array, or not JSON.
        """
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[JsonSpan]]:
        """Yield the elements of the array that comes next, many at once where each has a line.

        Raises:
            InputError: what comes next is not an array, or not JSON.
        """
        self._take(b"[")
        if self._peek() != b"]":
            on_lines = True
            while True:
                while on_lines and (spans := self._objects_on_lines()):
                    yield spans
                on_lines = on_lines and spans is not None
                yield [self.value()]
                if self._peek() != b",":
                    break
                self._take(b",")
                self._peek()
        self._take(b"]")

    def value(self) -> JsonSpan:
        """Read the value that comes next.

        Raises:
            InputError: what comes next is not JSON.
        """
        self._peek()
        value, end = self._object_on_a_line() or self._any_value()
        placed = JsonSpan(value, self._offset + self._at, self._offset + end)
        self._at = end
        return placed

    def _objects_on_lines(self) -> list[JsonSpan] | None:
        """Read objects that each begin and end with a line, as our own files have them.

        What stands between two line ends may be a piece of an element, or several elements. What
        is JSON by itself is one.

        Returns:
            Those that end in a part of the window, but for the last of the array; none where none
            does; None where the elements are laid out in another way.
        """
        last = self._window.rfind(b"\n", self._at, self._at + _BLOCK)
        end = self._window.rfind(b",\n", self._at, last + 1)
        if end < 0:
            return []
        lines = self._window[self._at : end].split(b",\n")
        try:
            values = list(map(orjson.loads, lines))
        except orjson.JSONDecodeError:
            return None
        if not all(line.startswith(b"{") for line in lines):
            return None  # with spaces before it an element would begin behind its line
        starts = list(
            accumulate((len(line) + 2 for line in lines), initial=self._offset + self._at)
        )
        ends = (start - 2 for start in starts[1:])
        self._at = end + 2
        return list(map(JsonSpan, values, starts, ends))

    def _object_on_a_line(self) -> tuple[Any, int] | None:
        """Read an object that ends with its line, as our own files have them: the fast way."""
        end = self._window.find(b"\n", self._at, self._at + _LONG_LINE)
        if end < 0 or not self._window.startswith(b"{", self._at):
            return None
        if self._window[end - 1 : end] == b",":
            end -= 1
        try:
            return orjson.loads(self._window[self._at : end]), end
        except orjson.JSONDecodeError:
            return None

    def _any_value(self) -> tuple[Any, int]:
        """Find where a value ends by reading it, and read more of the file until it is whole."""
        while True:
            if self._text is None:
                self._text = self._window.decode("latin-1")
            try:
                _, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError:
                end = len(self._text)
            # A number may go on behind the window, and "3." reads as 3.
            if self._text[end : end + 1] in _BEHIND_VALUES or not self._read_on():
                break
        try:
            return orjson.loads(self._window[self._at : end]), end
        except orjson.JSONDecodeError:
            raise self._error("a value") from None

    def _peek(self) -> bytes:
        """Skip white space; the next byte, or nothing at the end of the file."""
        while True:
            space = _SPACE.match(self._window, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._window):
                return self._window[self._at : self._at + 1]
            if not self._read_on():
                return b""

    def _take(self, character: bytes) -> None:
        if self._peek() != character:
            raise self._error(f"'{character.decode()}'")
        self._at += 1

    def _read_on(self) -> bool:
        """Drop what is done with and read more of the file; false at its end."""
        rest = self._window[self._at :]
        # A value larger than the window is tried again after each read: the reads grow with it.
        more = self._file.read(max(_WINDOW, len(rest)))
        if not more:
            return False
        self._offset += self._at
        self._window, self._text, self._at = rest + more, None, 0
        return True

    def _error(self, expected: str) -> InputError:
        found = self._window[self._at : self._at + 20].decode("utf-8", "replace")
        return InputError(
            f"{self._path}: not valid JSON at byte {self._offset + self._at}: expected {expected}, "
            f"found {found!r}"
        )
