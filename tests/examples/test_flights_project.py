from features.definitions import FeatureGroup
from features.project import load_project
from features.types import DataType


def test_the_project_compiles() -> None:
    project = load_project("examples.flights")
    assert [s.name for s in project.sources] == ["flight_departed", "flight_landed", "weather_observed"]
    assert set(project.group_plans) == {
        "aircraft_landings.v1",
        "carrier_landings.v1",
        "hub_departures.v1",
        "origin_departures.v1",
        "origin_weather.v1",
        "route_landings.v1",
    }
    assert all(isinstance(g, FeatureGroup) and g.owner and g.meaning for g in project.groups)
    assert {type(p).__name__ for p in project.policies} == {
        "DriftPolicy",
        "EvaluationPolicy",
        "MonitoringPolicy",
        "CanaryPolicy",
    }


def test_both_orders_between_partitions_are_in_use() -> None:
    orders = {plan.name: plan.order for plan in load_project("examples.flights").group_plans.values()}
    assert orders["carrier_landings"] == "log"
    assert orders["origin_departures"] == "arrival"


def test_the_model_names_the_entities_and_takes_a_label_from_the_landing() -> None:
    model = load_project("examples.flights").model_plans["late_arrival"]
    assert set(model.entities) == {"carrier", "origin", "hub", "route", "aircraft"}
    assert model.entities["route"] == ("origin", "dest")
    assert len(model.names) == len(set(model.names)) == 44
    assert model.inputs["scheduled_departure"] is DataType.TIMESTAMP
    assert (model.label.lead_ms, model.label.horizon_ms) == (7_200_000, 129_600_000)
