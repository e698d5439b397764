"""The flights' weather as it comes today, promised within a minute: the project of the watch's last act."""

from dataclasses import replace

from examples.flights import project
from features import Freshness

weather_observed = project.weather_observed
origin_weather = replace(
    project.origin_weather, freshness=Freshness(expected_max_lag="20s", alert_threshold_minutes=1)
)
