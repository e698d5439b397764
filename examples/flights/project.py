"""Will a flight out of New York land more than 15 minutes late? Asked two hours before it is due to leave."""

from pathlib import Path

from features import (
    CanaryPolicy,
    DataType,
    DriftPolicy,
    Entity,
    EvaluationPolicy,
    FeatureGroup,
    Freshness,
    Guard,
    Integer,
    Label,
    Model,
    MonitoringPolicy,
    Real,
    Search,
    Source,
    count,
    last,
    maximum,
    mean,
    minimum,
    share,
    total,
)

_SCHEMAS = Path(__file__).parent / "schemas"
_FRESH = Freshness(expected_max_lag="10m", alert_threshold_minutes=30, on_stale="serve")

# Entities: what a feature describes, and the columns that identify it.
carrier = Entity("carrier", meaning="An airline")
origin = Entity("origin", meaning="A New York airport")
hub = Entity("hub", keys=("carrier", "origin"), meaning="An airline at a New York airport")
route = Entity("route", keys=("origin", "dest"), meaning="A pair of airports")
aircraft = Entity("aircraft", keys=("tailnum",), meaning="One aeroplane, by its tail number")

# Sources: Kafka topics of Avro events.
flight_departed = Source(
    "flight_departed",
    schema=_SCHEMAS / "flight_departed.avsc",
    event_time="departed_at",
    event_id="flight_id",
    partition_key="flight_id",
    meaning="A flight left its gate, or was cancelled",
)
flight_landed = Source(
    "flight_landed",
    schema=_SCHEMAS / "flight_landed.avsc",
    event_time="landed_at",
    event_id="flight_id",
    partition_key="flight_id",
    partitions=2,
    meaning="A flight reached its gate, or was diverted",
)
weather_observed = Source(
    "weather_observed",
    schema=_SCHEMAS / "weather_observed.avsc",
    event_time="observed_at",
    event_id="observation_id",
    partition_key="origin",
    meaning="The hourly weather at the New York airports",
)

# Feature groups. A hop says how finely a window's tail moves, so how often a quiet entity's row decays.
carrier_landings = FeatureGroup(
    "carrier_landings",
    version=1,
    entity=carrier,
    source=flight_landed,
    where="not diverted",
    columns={"late": "arr_delay > 15"},
    aggregates=[
        mean("arr_delay", over="3h", hop="15m"),
        mean("arr_delay", over="7d", hop="6h"),
        share("late", over="1d", hop="1h"),
        share("late", over="7d", hop="6h"),
    ],
    derived={"momentum": "arr_delay_mean_3h - arr_delay_mean_7d"},
    freshness=_FRESH,
    owner="operations",
    meaning="How late an airline has been landing",
)
origin_departures = FeatureGroup(
    "origin_departures",
    version=1,
    entity=origin,
    source=flight_departed,
    columns={"late": "dep_delay > 15"},
    aggregates=[
        mean("dep_delay", over="1h", hop="5m"),
        mean("dep_delay", over="3h", hop="15m"),
        mean("dep_delay", over="1d", hop="1h"),
        share("late", over="1h", hop="5m"),
        share("late", over="3h", hop="15m"),
        share("cancelled", over="6h", hop="1h"),
        share("cancelled", over="1d", hop="1h"),
        maximum("dep_delay", over="3h", hop="15m"),
        count(over="1h", hop="5m"),
        count(over="1d", hop="1h"),
    ],
    derived={"busyness": "count_1h * 24 / nullif(count_1d, 0)"},
    freshness=_FRESH,
    owner="operations",
    meaning="How congested an airport is",
)
hub_departures = FeatureGroup(
    "hub_departures",
    version=1,
    entity=hub,
    source=flight_departed,
    where="not cancelled",
    columns={"late": "dep_delay > 15"},
    aggregates=[
        mean("dep_delay", over="3h", hop="15m"),
        share("late", over="3h", hop="15m"),
        share("late", over="1d", hop="1h"),
        mean("dep_delay", over="7d", hop="6h"),
        share("late", over="7d", hop="6h"),
    ],
    derived={"momentum": "dep_delay_mean_3h - dep_delay_mean_7d"},
    freshness=_FRESH,
    owner="operations",
    meaning="How late an airline has been leaving an airport",
)
route_landings = FeatureGroup(
    "route_landings",
    version=1,
    entity=route,
    source=flight_landed,
    where="not diverted",
    columns={"late": "arr_delay > 15"},
    aggregates=[
        mean("arr_delay", over="1d", hop="1h"),
        mean("arr_delay", over="30d", hop="1d"),
        share("late", over="7d", hop="6h"),
        share("late", over="30d", hop="1d"),
        count(over="7d", hop="6h"),
    ],
    freshness=_FRESH,
    owner="network",
    meaning="How late a route has been landing",
)
aircraft_landings = FeatureGroup(
    "aircraft_landings",
    version=1,
    entity=aircraft,
    source=flight_landed,
    where="not diverted and tailnum is not null",
    aggregates=[
        last("arr_delay", over="1d", hop="1h"),
        mean("arr_delay", over="7d", hop="6h"),
        last("distance"),
        count(over="1d", hop="1h"),
    ],
    freshness=_FRESH,
    owner="fleet",
    meaning="What an aircraft has just done",
)
origin_weather = FeatureGroup(
    "origin_weather",
    version=1,
    entity=origin,
    source=weather_observed,
    aggregates=[
        last("temperature"),
        last("dew_point"),
        last("humidity"),
        last("pressure"),
        last("visibility"),
        mean("wind_speed", over="6h", hop="15m"),
        maximum("wind_gust", over="6h", hop="15m"),
        total("precipitation", over="6h", hop="15m"),
        minimum("visibility", over="6h", hop="15m"),
    ],
    derived={"dew_point_spread": "temperature_last - dew_point_last"},
    # The medians of a year: what a model is served where there is no observation, or the feed looks broken.
    defaults={
        "temperature_last": 55.0,
        "dew_point_last": 42.0,
        "humidity_last": 62.0,
        "pressure_last": 1018.0,
        "visibility_last": 10.0,
        "wind_speed_mean_6h": 10.0,
        "wind_gust_max_6h": 24.0,
        "precipitation_sum_6h": 0.0,
        "visibility_min_6h": 10.0,
        "dew_point_spread": 13.0,
    },
    ranges={
        "temperature_last": (-40, 130),  # Fahrenheit
        "dew_point_last": (-60, 100),
        "humidity_last": (0, 105),
        "pressure_last": (870, 1085),  # millibars: the lowest and the highest ever measured at sea level
        "visibility_last": (0, 100),
        "wind_speed_mean_6h": (0, 200),
        "precipitation_sum_6h": (0, 60),
    },
    freshness=Freshness(expected_max_lag="1h", alert_threshold_minutes=120, on_stale="serve"),
    owner="meteorology",
    meaning="The weather at an airport, and what it has been",
)

_SCHEDULED = "from scheduled_departure at time zone 'America/New_York'"

late_arrival = Model(
    "late_arrival",
    entities=[carrier, origin, hub, route, aircraft],
    features=[
        *(
            carrier_landings[f]
            for f in ("arr_delay_mean_3h", "arr_delay_mean_7d", "late_share_1d", "late_share_7d", "momentum")
        ),
        *(
            origin_departures[f]
            for f in (
                "dep_delay_mean_1h",
                "dep_delay_mean_3h",
                "dep_delay_mean_1d",
                "late_share_1h",
                "late_share_3h",
                "cancelled_share_6h",
                "cancelled_share_1d",
                "dep_delay_max_3h",
                "count_1d",
                "busyness",
            )
        ),
        *(
            hub_departures[f]
            for f in ("dep_delay_mean_3h", "late_share_3h", "late_share_1d", "late_share_7d", "momentum")
        ),
        *(
            route_landings[f]
            for f in (
                "arr_delay_mean_1d",
                "arr_delay_mean_30d",
                "late_share_7d",
                "late_share_30d",
                "count_7d",
            )
        ),
        *(
            aircraft_landings[f]
            for f in ("arr_delay_last_1d", "arr_delay_mean_7d", "distance_last", "count_1d")
        ),
        *(
            origin_weather[f]
            for f in (
                "temperature_last",
                "humidity_last",
                "pressure_last",
                "visibility_last",
                "wind_speed_mean_6h",
                "wind_gust_max_6h",
                "precipitation_sum_6h",
                "visibility_min_6h",
                "dew_point_spread",
            )
        ),
    ],
    inputs={
        "scheduled_departure": DataType.TIMESTAMP,
        "scheduled_minutes": DataType.INTEGER,
        "distance": DataType.INTEGER,
    },
    on_demand={
        "hour": f"extract(hour {_SCHEDULED})",
        "minute_of_day": f"hour * 60 + extract(minute {_SCHEDULED})",
        "day_of_week": f"extract(dow {_SCHEDULED})",
        "miles": "distance",
        "block_minutes": "scheduled_minutes",
        "miles_per_minute": "distance / nullif(scheduled_minutes, 0)",
    },
    label=Label(
        source=flight_landed,
        request_id="flight_id",
        value="arr_delay > 15",
        where="not diverted",
        due="scheduled_departure",
        lead="2h",
        horizon="36h",  # the longest in 2013 took 34 h 42 min from prediction to landing
    ),
    parameters={
        "learning_rate": 0.05,
        "num_leaves": 31,
        "n_estimators": 200,
        "min_child_samples": 200,
        "colsample_bytree": 0.6,
        "subsample": 0.8,
        "subsample_freq": 1,
    },
    search=Search(
        {
            "learning_rate": Real(0.02, 0.2, log=True),
            "num_leaves": Integer(7, 127, log=True),
            "min_child_samples": Integer(20, 500, log=True),
        },
        trials=8,
        folds=2,
        every="180d",
    ),
    owner="operations",
    meaning="Lands more than 15 minutes late",
)

# Policies. The chance itself is read, so the log loss judges it; whoever must decide does so at 0.3. Nobody
# gains from a model that is better in general and worse at one airport.
promotion = EvaluationPolicy(
    late_arrival,
    metric="log_loss",
    guards=(Guard("brier", 0.01),),
    segments=("origin",),
    segment_margin=0.03,
    alpha=0.05,
    threshold=0.3,
    min_units=500,
    max_units=6_000,
    look_every="1d",
)
# Two weeks are never like two months: in 2013 they differ by a PSI of up to 2 within a season, and by 4 and
# more between winter and spring. What breaks within a day is seen in the newest day by itself.
weather_drift = DriftPolicy(
    origin_weather,
    late_arrival,
    values="rows",
    window="14d",
    threshold=2.5,
    min_rows=50,  # three airports, by the hour
    retrain=True,
    debounce="7d",
    on_broken="freeze",
)
congestion_drift = DriftPolicy(origin_departures, late_arrival, values="rows", window="14d", threshold=2.5)
outputs_drift = DriftPolicy(None, late_arrival, window="14d", threshold=1.0)
# Harm that labels show, or that is estimated before they come, retrains too: once a day with what drift does.
quality = MonitoringPolicy(
    late_arrival, metric="auc", window="7d", threshold=0.05, segments=("origin",), gap=0.1
)
# A challenger that wins its trial answers for a share of the entities first, each for a day.
rollout = CanaryPolicy(
    late_arrival, steps=(0.05, 0.25, 0.5), hold="1d", min_requests=40, max_harm=0.03, alpha=0.01
)
