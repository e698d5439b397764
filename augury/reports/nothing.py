"""Where there is nothing to show."""


class NothingToShowError(LookupError):
    """A report that would be empty."""

    def __init__(self, what: str, of: str, remedy: str) -> None:
        super().__init__(
            f"a report shows what was recorded, and there are no {what} of {of or 'any model'}: "
            f"nothing was written; {remedy}"
        )
