"""Real flights out of New York: a project as its users would write it."""

from examples.flights.project import (
    aircraft_landings,
    carrier_landings,
    congestion_drift,
    flight_departed,
    flight_landed,
    hub_departures,
    late_arrival,
    origin_departures,
    origin_weather,
    outputs_drift,
    promotion,
    quality,
    rollout,
    route_landings,
    weather_drift,
    weather_observed,
)

__all__ = [
    "aircraft_landings",
    "carrier_landings",
    "congestion_drift",
    "flight_departed",
    "flight_landed",
    "hub_departures",
    "late_arrival",
    "origin_departures",
    "origin_weather",
    "outputs_drift",
    "promotion",
    "quality",
    "rollout",
    "route_landings",
    "weather_drift",
    "weather_observed",
]
