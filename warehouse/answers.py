"""The served answers of a model, out of the log of predictions."""

from dataclasses import dataclass

from features.vector import ModelPlan, VectorGroup
from warehouse.dialect import text
from warehouse.events import moment


@dataclass(frozen=True)
class Answers:
    """The answers to requests made in [since, until) (ms) whose vectors were read from the online store.

    `sample` takes that many of them, those whose request ids have the least hashes: the same ones each
    time. None takes all.
    """

    plan: ModelPlan
    since: int
    until: int
    sample: int | None = None

    @property
    def sql(self) -> str:
        """Select the answers whose rows are of the plan's group versions, sampled."""
        chosen = f"{self._logged} AND {self._of_the_plan}"
        if self.sample is None:
            return chosen
        return f"{chosen} ORDER BY cityHash64(request_id), deduplication_key LIMIT {self.sample}"

    @property
    def others_sql(self) -> str:
        """Select the answers with rows of other group versions than the plan's."""
        return f"{self._logged} AND NOT {self._of_the_plan}"

    @property
    def _logged(self) -> str:
        return (
            f"SELECT * FROM model_prediction_log FINAL WHERE model_name = {text(self.plan.name)} "
            f"AND isNull(error) AND notEmpty(rows.group) "
            f"AND requested_at >= {moment(self.since)} AND requested_at < {moment(self.until)}"
        )

    @property
    def _of_the_plan(self) -> str:
        versions = ((text(g.group), g.version) for g in self.plan.groups)
        others = " OR ".join(f"(g = {group} AND v != {version})" for group, version in versions)
        return f"NOT arrayExists((g, v) -> {others or '0'}, rows.group, rows.version)"


def rows_of(group: VectorGroup) -> str:
    """Give the SQL of an answer's rows of a group: (entity, event_timestamp, seq, age_ms, defaulted)."""
    return (
        f"arrayFilter((r, g, v) -> g = {text(group.group)} AND v = {group.version}, "
        "arrayZip(rows.entity, rows.event_timestamp, rows.seq, rows.age_ms, rows.defaulted), "
        "rows.group, rows.version)"
    )


def used_sql(group: VectorGroup, answers: Answers) -> str:
    """Select `_entity`, `_at`, `_seq` and `_defaulted` of each row that answers name, and `requested_at`."""
    return (
        "SELECT requested_at, r.1 AS _entity, r.2 AS _at, r.3 AS _seq, r.5 AS _defaulted "
        f"FROM ({answers.sql}) ARRAY JOIN {rows_of(group)} AS r"
    )
