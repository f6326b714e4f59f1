"""The one exception a user is meant to see."""


class InputError(Exception):
    """The input or the options are at fault.

    The message is one line that says what is wrong, where, and how to mend it. The command line prints
    it and exits with code 2; nothing else is caught there.
    """
