"""What is drawn and scraped is what the code tells: names of metrics, labels, targets, files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from augury.settings import ROOT
from schemas.metrics import process_registry

DEPLOY = ROOT / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
_WORD = re.compile(r"\b(?:augury|process)_[a-z_]+")
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def metrics() -> set[str]:
    """Give the names of all metrics in the code, and of those that the client library tells of a process."""
    modules = [*(ROOT / "schemas").glob("*.py"), *(ROOT / "inference").glob("*.py")]
    modules += (ROOT / "augury" / "services").glob("*.py")
    text = "".join(module.read_text() for module in modules)
    told = text_string_to_metric_families(generate_latest(process_registry("x", "1")).decode())
    own = {name for name in re.findall(r'"(augury_[a-z_]+)"', text) if name != "augury_build"}
    return own | {sample.name for family in told for sample in family.samples}


def expressions(dashboard: Path) -> list[str]:
    """Give the queries of Prometheus on a dashboard."""
    panels = json.loads(dashboard.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"] if "expr" in target]


def sources() -> dict[str, dict[str, Any]]:
    """Give the data sources that Grafana is provisioned with, by their ids."""
    files = (DEPLOY / "grafana/provisioning/datasources").glob("*.yml")
    return {each["uid"]: each for file in files for each in yaml.safe_load(file.read_text())["datasources"]}


def named(dashboard: Path) -> set[str]:
    """Give the metrics that a dashboard draws, histograms without their suffixes."""
    known = metrics()
    words = {word for expression in expressions(dashboard) for word in _WORD.findall(expression)}
    return {word if word in known else _SUFFIX.sub("", word) for word in words}


def test_there_are_dashboards() -> None:
    assert [path.name for path in DASHBOARDS] == ["models.json", "pipeline.json", "serving.json"]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_on_a_dashboard_is_in_the_code(dashboard: Path) -> None:
    assert named(dashboard)
    assert named(dashboard) <= metrics()


def test_every_metric_in_the_code_is_on_a_dashboard_and_in_the_documents() -> None:
    own = {name for name in metrics() if name.startswith("augury_")}
    assert own <= set().union(*map(named, DASHBOARDS))
    assert own <= set(re.findall(r"`(augury_\w+)`", (ROOT / "docs" / "operations.md").read_text()))


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(dashboard: Path) -> None:
    board = json.loads(dashboard.read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        source = sources()[panel["datasource"]["uid"]]
        assert panel["datasource"]["type"] == source["type"]
        asks = {"prometheus": "expr", "grafana-clickhouse-datasource": "rawSql"}[source["type"]]
        assert panel["targets"]
        assert all(target[asks] for target in panel["targets"])
    for expression in expressions(dashboard):
        assert all(expression.count(left) == expression.count(right) for left, right in ("()", "{}", "[]"))


def test_clickhouse_is_asked_where_it_listens_and_by_the_plugin_that_is_fetched() -> None:
    source, server, grafana = sources()["clickhouse"], SERVICES["clickhouse"], SERVICES["grafana"]
    given = source["jsonData"]
    assert f"{given['host']}:{given['port']}" in SERVICES["sink"]["environment"]["AUGURY_WAREHOUSE_URL"]
    assert given["username"] == server["environment"]["CLICKHOUSE_USER"]
    assert given["defaultDatabase"] == server["environment"]["CLICKHOUSE_DB"]
    assert source["secureJsonData"]["password"].strip("$") in grafana["environment"]
    assert grafana["environment"]["GF_PLUGINS_PREINSTALL"].split("@")[0] == source["type"]


def test_every_service_is_scraped_where_it_listens() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    targets = {
        name: config["port"]
        for job in scraped
        for config in job["dns_sd_configs"]
        for name in config["names"]
    }
    own = {name for name, service in SERVICES.items() if service["image"].startswith("augury:")} - {"apply"}
    assert set(targets) == own
    given = SERVICES["http"]["environment"]
    assert targets.pop("http") == int(given["AUGURY_HTTP_PORT"])
    for name, port in targets.items():
        assert int(given[f"AUGURY_{name.upper()}_METRICS_PORT"]) == port


def test_what_is_mounted_is_there() -> None:
    for name in ("prometheus", "grafana"):
        for volume in SERVICES[name]["volumes"]:
            host, _, _ = volume.partition(":")
            assert not host.startswith(".") or (ROOT / host).exists()
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/augury.yml").read_text())
    (path,) = [each["options"]["path"] for each in provider["providers"]]
    assert f"./deploy/grafana/dashboards:{path}:ro" in SERVICES["grafana"]["volumes"]
