"""The exception for mistakes that a user can fix."""

import re


class UserError(Exception):
    """A mistake that a user can fix: the message is one line, with what is wrong and what to type instead.

    Entry points print it as ``error: ...`` without a stack of frames and exit with code 1.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def out_of_memory(error: BaseException) -> bool:
    """Whether memory of the machine or of a GPU was the cause of an error, or of the one that it was raised from."""
    text = "can't allocate memory|not enough memory|out of memory|bad_alloc|ALLOC_FAILED|Cannot allocate memory"
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, (RuntimeError, OSError)) and re.search(text, str(error)) is not None)
        or (error.__cause__ is not None and out_of_memory(error.__cause__))
    )


def one_line(text: str) -> str:
    """Return text with line breaks and other control characters, which names of files may hold, written as escapes."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda found: repr(found[0])[1:-1], text)
