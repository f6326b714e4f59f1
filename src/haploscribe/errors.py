"""The one exception, and the one warning, that a user is meant to see."""


class InputError(Exception):
    """The input or the options are at fault.

    The message is one line that says what is wrong, where, and how to mend it. The command line prints
    it and exits with code 2; nothing else is caught there.
    """

    def __init__(self, message: str) -> None:
        # Names and cells of the user's files are quoted, and may hold line ends of any kind.
        super().__init__(" ".join(message.splitlines()))


class StoppedError(InputError):
    """The machine stopped the work, not the input: what is done is kept, for the same command to go on."""


class RepairedWarning(UserWarning):
    """Something that Haploscribe had written was damaged, and has been computed again.

    The message is one line that says what and where.
    """
