"""Errors a user can cause or meet: one clear sentence each, and the exit status that scripts rely on."""

from __future__ import annotations

from typing import ClassVar


class BatchResetError(Exception):
    """Something went wrong that the program did not expect."""

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str | None = None) -> None:
        """Take the sentence to show; without one, the first line of the class's documentation is it."""
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])


class UsageError(BatchResetError):
    """The command line is wrong."""

    exit_status = 2


class RefusedError(BatchResetError):
    """Refused before anything was sent."""

    exit_status = 5


class CohortError(RefusedError):
    """The cohort could not be understood."""


class SettingsError(RefusedError):
    """A setting cannot be used."""


class SignInError(RefusedError):
    """Sign-in failed."""


class SignInNeededError(SignInError):
    """Nobody is signed in, and only a person can change that."""


class SignInUnreachableError(SignInError):
    """The sign-in service could not be reached."""


class LockedError(RefusedError):
    """Another process is working on this run."""


class RunNotFoundError(RefusedError):
    """There is no such run."""


class KeyMissingError(RefusedError):
    """No key at hand opens the sealed passwords of this run."""


class DirectoryError(RefusedError):
    """The directory could not be read."""


class HaltedError(BatchResetError):
    """The run was halted and can be resumed."""

    exit_status = 4


class StatusTableError(HaltedError):
    """The status table cannot be written."""


class PasswordNotMadeError(HaltedError):
    """No password can be made that holds none of the texts it must not hold."""
