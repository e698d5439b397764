"""The error that every refused definition raises."""


class DefinitionError(ValueError):
    """A definition breaks a rule.

    The text states the rule, the consequence, and the place with the value that broke it.
    """

    def __init__(self, place: str, rule: str, consequence: str, value: object = None) -> None:
        self.place = place
        self.rule = rule
        self.consequence = consequence
        self.value = value
        found = "" if value is None else f" (found {value!r})"
        super().__init__(f"{place}: {rule}{found}; {consequence}")
