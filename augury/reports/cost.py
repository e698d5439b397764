"""What predictions cost: processor time of the services, as they tell it of themselves."""

from collections.abc import Mapping

from augury.top.samples import Scrape

_ANSWERS, _PROCESSOR = "augury_requests_total", "process_cpu_seconds_total"


def processor_seconds_per_thousand(scrapes: Mapping[str, Scrape]) -> dict[str, float]:
    """Give each scraped service's processor seconds per thousand predictions, since the processes began.

    The predictions are those of all doors that were scraped; without any there is no figure.
    """
    predictions = sum(scrape.sums(_ANSWERS, "outcome").get(("ok",), 0.0) for scrape in scrapes.values())
    if not predictions:
        return {}
    return {
        service: sum(scrape.sums(_PROCESSOR).values()) * 1000 / predictions
        for service, scrape in sorted(scrapes.items())
    }
