"""What must hold after the faults: nothing is lost, nothing counts twice, and every answer is right."""

import math
from collections import Counter

import numpy as np
from redis import Redis

from benchmarks.common import Result
from benchmarks.faults_bad import BadKafka
from benchmarks.faults_load import Found, HttpLoad, KafkaLoad, Ledger, Results, Rows
from benchmarks.faults_world import Site
from benchmarks.serving_cases import SMALL, key
from features.layout import Layout, row_key
from inference.runtime import OnnxModel

_WORK = "all faults together"


def checked(
    site: Site, http: HttpLoad, kafka: KafkaLoad, results: Results, rows: Rows, bad: BadKafka
) -> list[Result]:
    """Compare what was sent with what came and with what the stores hold; give the figures."""
    found = [
        *_door(site, "HTTP", http.ledger),
        ("HTTP", "asked again", len(http.again)),
        *_door(site, "Kafka", kafka.ledger),
        ("Kafka", "lost", len(kafka.failed)),
        *_results(kafka.ledger, results, bad),
        *_logged(site, http, kafka.ledger),
        *_rows(site, rows),
        *_letters(site, bad),
    ]
    totals: Counter[tuple[str, str]] = Counter()
    for system, metric, value in found:
        totals[system, metric] += value
    return [Result(_WORK, system, metric, value, "") for (system, metric), value in totals.items()]


Figures = list[tuple[str, str, int]]


def _door(site: Site, system: str, ledger: Ledger) -> Figures:
    """Count what became of a door's requests, and the answers that are not as their rows and model say."""
    ended = ledger.answers.keys() | ledger.refusals.keys()
    return [
        (system, "requests", ledger.sent),
        (system, "answers", len(ledger.answers)),
        (system, "stated refusals", len(ledger.refusals)),
        (system, "lost", len(set(range(ledger.sent)) - ended - ledger.hung.keys())),
        (system, "hung", len(ledger.hung)),
        (system, "wrong", _wrong(site, list(ledger.answers.values()))),
    ]


def _wrong(site: Site, answers: list[Found]) -> int:
    wanted = site.vectors([answer.row for answer in answers])
    wrong: int = sum(answer.vector != vector for answer, vector in zip(answers, wanted, strict=True))
    model = OnnxModel(site.world.onnx(SMALL).read_bytes())
    vectors = np.array([[math.nan if value is None else value for value in row] for row in wanted])
    predictions: list[float] = model.predict(vectors).scores.tolist() if answers else []
    return wrong + sum(a.prediction != p for a, p in zip(answers, predictions, strict=True))


def _results(ledger: Ledger, results: Results, bad: BadKafka) -> Figures:
    """Count the committed results of each request on Kafka: there is one for each."""
    due = Counter({ledger.name(number): 1 for number in range(ledger.sent)}) + bad.results
    return [
        ("Kafka", "lost", sum((due - results.counts).values())),
        ("Kafka", "doubled", sum((results.counts - due).values())),
    ]


def _logged(site: Site, http: HttpLoad, kafka: Ledger) -> Figures:
    """Hold the log of answers to what the doors answered, read with FINAL and without."""
    figures: Figures = []
    for system, door, ledger in (("HTTP", "http", http.ledger), ("Kafka", "kafka", kafka)):
        rows = _log(site, door, ledger)
        names = Counter(name for name, _ in rows)
        answered = {ledger.name(number): found for number, found in ledger.answers.items()}
        sent = {ledger.name(number) for number in range(ledger.sent)}
        again = {ledger.name(number) for number in http.again} if door == "http" else set()
        differ = {n for n, p in rows if n in answered and answered[n].prediction != p}
        written, keys = site.warehouse.query(
            "SELECT count(), uniqExact(deduplication_key) FROM model_prediction_log "
            "WHERE door = {door:String} AND startsWith(request_id, {prefix:String})",
            parameters={"door": door, "prefix": ledger.prefix},
        ).result_rows[0]
        figures += [
            (system, "logged", len(rows)),
            (system, "lost", len(answered.keys() - names.keys())),
            (system, "doubled", sum(names.values()) - len(names) + len(names.keys() - sent)),
            (system, "doubled", abs(keys - len(names))),
            (system, "log differs", len(differ - again)),
            (system, "answered twice", len(differ & again)),
            (system, "rows unmerged", written),
        ]
    return figures


def _log(site: Site, door: str, ledger: Ledger) -> list[tuple[str, float | None]]:
    found = site.warehouse.query(
        "SELECT request_id, prediction FROM model_prediction_log FINAL "
        "WHERE door = {door:String} AND startsWith(request_id, {prefix:String})",
        parameters={"door": door, "prefix": ledger.prefix},
    )
    return [(name, prediction) for name, prediction in found.result_rows]


def _rows(site: Site, rows: Rows) -> Figures:
    """Hold each store's rows of the group to those that were written."""
    group, (read,) = site.group, site.world.plans[SMALL].groups
    layout = Layout.of(group)
    with Redis.from_url(site.settings.redis_url) as store:
        values = store.mget([row_key(group.name, group.version, key(entity)) for entity in rows.newest])
    wanted = site.vectors(list(rows.newest.items()))
    stale = sum(
        value is None or layout.values(value, read.positions) != vector
        for value, vector in zip(values, wanted, strict=True)
    )
    ((held,),) = site.warehouse.query(
        "SELECT count() FROM {table:Identifier} FINAL", parameters={"table": group.table}
    ).result_rows
    return [
        ("feature rows", "written", rows.sent),
        ("feature rows", "lost", stale + len(rows.failed) + max(0, rows.sent - held)),
        ("feature rows", "doubled", max(0, held - rows.sent)),
    ]


def _letters(site: Site, bad: BadKafka) -> Figures:
    """Hold the dead letters to the bad records: one for each that is no request, at most one for others."""
    found = site.warehouse.query("SELECT topic, partition, offset FROM dead_letters FINAL").result_rows
    letters = Counter((topic, partition, offset) for topic, partition, offset in found)
    return [
        ("bad records", "written", bad.tried),
        ("bad records", "dead letters", sum(letters.values())),
        ("bad records", "lost", sum((bad.letters - letters).values())),
        ("bad records", "doubled", sum((letters - bad.letters - Counter(bad.wrong)).values())),
    ]
