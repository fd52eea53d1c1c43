"""Names that users, files and models gave -> text that Streamlit's markdown shows as it is.

Streamlit reads labels, captions and messages as markdown: a file named `![](http://host/x.png)`
would make the browser fetch it, `$` would begin a formula, `:red[...]` a colour.
"""

from __future__ import annotations

import re

# CommonMark, "Backslash escapes": any ASCII punctuation may be escaped.
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Emoji and icons (`:name:`), links of GitHub's markdown, arrows and dashes are found in the text
# that is left after escapes were read; a character without width keeps them from being seen.
_FOUND_LATER = re.compile(r"([:@<>]|-(?=[->])|(?<=\bwww))")
_WORD_JOINER = "\N{WORD JOINER}"
_MAX_LENGTH = 120


def plain(text: object, longest: int = _MAX_LENGTH) -> str:
    """Escape a text for any place where Streamlit takes markdown.

    What cannot be printed (line breaks, control characters, marks that turn the direction of
    writing) becomes a replacement character, and a long text is cut in its middle, so that the
    suffix of a file stays.

    Args:
        text: What to show; numbers and paths, too.
        longest: Characters after which it is cut.
    """
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in str(text)
    )
    if len(shown) > longest:
        half = (longest - 1) // 2
        shown = f"{shown[:half]}\N{HORIZONTAL ELLIPSIS}{shown[-half:]}"
    joined = _FOUND_LATER.sub(rf"\1{_WORD_JOINER}", shown)
    return _PUNCTUATION.sub(r"\\\1", joined)
