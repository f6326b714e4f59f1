"""Errors and warnings that are meant for the user."""


class InputError(Exception):
    """The input or the options are at fault.

    The message is one line that says what is wrong, where, and how to fix it. The command line prints it and
    exits with code 2; a traceback of any other exception is a bug.
    """

    def __init__(self, message: str) -> None:
        # Names and cells of the user's files are quoted, and may hold line ends of any kind.
        super().__init__(" ".join(message.splitlines()))


class StoppedError(InputError):
    """The machine stopped the work, not the input: finished parts are kept, and rerunning resumes."""


class RepairedWarning(UserWarning):
    """Something that Haploscribe had written was damaged, and has been computed again.

    The message is one line that says what and where.
    """
