"""The reports' pictures one by one, for the pages of flow runs."""

from augury.page import standalone
from augury.reports.drift import read_drift, shades
from augury.reports.model_page import performance_chart
from augury.reports.nothing import NothingToShowError
from augury.reports.search import read_search, search_picture
from inference.registry import Registry
from warehouse.client import Client
from warehouse.reports import performance_windows

_DAYS = 30


class Pictures:
    """Draws what was found lately, as SVG; None where there is nothing to draw."""

    def __init__(self, client: Client, held: Registry) -> None:
        self._client = client
        self._held = held

    def drift(self, policy: str, model: str) -> str | None:
        """Draw how far a drift policy's features have moved, window by window."""
        try:
            watches = read_drift(self._client, [], model, "", _DAYS)
        except NothingToShowError:
            return None
        return next((standalone(shades(watch)) for watch in watches if watch.policy == policy), None)

    def performance(self, policy: str, model: str) -> str | None:
        """Draw a monitoring policy's metric by window."""
        found = performance_windows(self._client, model, _DAYS)
        windows = [w for w in found if w.policy == policy and not w.segment_by]
        return standalone(performance_chart(policy, windows)) if windows else None

    def search(self, study: str) -> str | None:
        """Draw the trials of a study."""
        search = read_search(self._held, self._held.experiments.get(study))
        return None if search is None or search.chosen is None else standalone(search_picture(search))
