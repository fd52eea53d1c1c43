"""The error of every border: what is wrong, where, and what to do about it."""


class InputError(ValueError):
    """Input (a file, a row, a parameter, an image) that cannot be used.

    The message is written for the person who runs the command: it names the file, row or key,
    says what was found and what to do. Stages print it without a traceback.
    """


class UnavailableError(InputError):
    """Input that could not be had now, and may be there at the next try.

    No connection, silence, a server that says it is busy, a disk that cannot be read: none of it
    says anything about the input itself, so nobody may take it for the last word.
    """
