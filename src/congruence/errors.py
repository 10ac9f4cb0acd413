"""
The one tree of exceptions.

Every message says what was wrong, where, and what was found against what was
expected; ``hint`` says what to do. The command line turns an error into its
message, its hint and its exit code.
"""

__all__ = [
    "CheckFailedError",
    "ConfigError",
    "CongruenceError",
    "FormatError",
    "InputError",
    "MissingDependencyError",
    "OutputError",
    "SelectionError",
    "ShapeError",
]


class CongruenceError(Exception):
    """
    Base of all errors that congruence raises on purpose.

    Parameters
    ----------
    message : str
        What was wrong, where, found against expected.
    hint : str, optional
        What to do about it, in one or two sentences.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(CongruenceError):
    """An input that is missing, unreadable or unusable."""


class FormatError(InputError):
    """
    A file that is not what its format says.

    Parameters
    ----------
    message : str
        What was wrong, without the path.
    path : str, optional
        The file.
    location : str, optional
        Where in the file, for example ``"line 3"`` or ``"byte 1024"``.
    hint : str, optional
        What to do about it.
    """

    def __init__(
        self, message: str, *, path: object = "", location: str = "", hint: str = ""
    ) -> None:
        where = ", ".join(part for part in (str(path), location) if part)
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.path = str(path)
        self.location = location


class SelectionError(InputError):
    """A selection that cannot be read or that matches nothing."""


class ShapeError(InputError):
    """An array whose shape, type or content does not fit the call."""


class ConfigError(InputError):
    """A configuration or an argument that cannot be used."""


class OutputError(InputError):
    """A result folder that exists already, or cannot be written."""


class MissingDependencyError(CongruenceError):
    """
    An optional package that is needed here and not installed.

    Parameters
    ----------
    package : str
        The package that is missing.
    extra : str
        The extra of congruence that installs it.
    purpose : str
        What it is needed for.
    """

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed",
            hint=f"Install it with: pip install 'congruence[{extra}]'",
        )


class CheckFailedError(CongruenceError):
    """A check that the user asked for (``--fail-on``) and that failed."""

    exit_code = 4
