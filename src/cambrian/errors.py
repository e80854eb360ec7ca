"""What a user did that cannot work: said once, in words, with the mend."""


class UserError(ValueError):
    """A fault in the input, not in the program: the message says what, where (file, frame, atom) and the mend.

    The command line prints it without a traceback and exits with code 2.
    """

    def at(self, where: str) -> "UserError":
        """The same error with the place put in front, for callers that know the file and the frame."""
        return type(self)(f"{where}: {self}")


class MissingExtraError(UserError):
    """An optional dependency is absent; the message says how to install it."""

    @classmethod
    def of(cls, package: str, extra: str) -> "MissingExtraError":
        """Error for `package`, which the extra `extra` installs."""
        return cls(f"this needs the package '{package}', which is not installed: pip install 'cambrian[{extra}]'")
