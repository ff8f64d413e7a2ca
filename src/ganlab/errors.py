"""The one exception that means: the user can mend this."""


class UserError(Exception):
    """A mistake that a user can mend: the message is one line that says what is wrong and what to type instead.

    Entry points print it as ``error: ...`` without a stack of frames and exit with code 1.
    """
