"""The reports' pictures one by one, for the pages of flow runs."""

from augury.page import standalone
from augury.reports.drift import ranked, shades
from augury.reports.model_page import performance_chart
from augury.reports.search import read_search, search_picture
from inference.registry import Registry
from warehouse.client import Client
from warehouse.reports import drift_windows, performance_windows

_DAYS = 30


class Pictures:
    """Draws what was found lately, as SVG; None where there is nothing to draw."""

    def __init__(self, client: Client, held: Registry) -> None:
        self._client = client
        self._held = held

    def drift(self, policy: str, model: str) -> str | None:
        """Draw how far a drift policy's features have moved, window by window."""
        subject, _, _ = policy.rpartition("/")
        windows = drift_windows(self._client, model, subject, _DAYS)
        return standalone(shades(policy, ranked(windows))) if windows else None

    def performance(self, policy: str, model: str) -> str | None:
        """Draw a monitoring policy's metric by window."""
        found = performance_windows(self._client, model, _DAYS)
        windows = [w for w in found if w.policy == policy and not w.segment_by]
        return standalone(performance_chart(policy, windows)) if windows else None

    def search(self, study: str) -> str | None:
        """Draw the trials of a study."""
        search = read_search(self._held, self._held.experiments.get(study))
        return None if search is None or search.chosen is None else standalone(search_picture(search))
