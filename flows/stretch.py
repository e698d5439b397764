"""A stretch of the values that a drift policy watches: counted beside a reference, and looked at again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from features.policies import DriftPolicy
from features.project import Project
from flows.causes import causes
from flows.divergence import compare, psi
from flows.watched import window
from inference.registry import ModelVersion
from warehouse.client import Client
from warehouse.drift import beyond, count, count_by_segment, frozen, quantiles, stale_share
from warehouse.drift_reports import Finding
from warehouse.references import DECILES, Reference
from warehouse.silence import silent

_SEGMENTS, _EXPLAINS = 5, 0.1


@dataclass(frozen=True)
class Segment:
    """A part of the rows, and which part of a feature's PSI it explains; `rows` is its share of them."""

    feature: str
    segment_by: str
    segment: str
    rows: float
    explains: float


@dataclass(frozen=True)
class Stretch:
    """What a policy watches of a version in [start, end) (ms); `references` are the version's, by feature."""

    client: Client
    project: Project
    policy: DriftPolicy
    version: ModelVersion
    references: Mapping[str, Reference]
    start: int
    end: int

    @cached_property
    def frozen(self) -> tuple[str, ...]:
        """The model's features that answers name as frozen."""
        return frozen(self.client, self.policy.model.name, self.start, self.end)

    def findings(self) -> dict[str, Finding]:
        """Count and compare the values, by feature; nothing is judged yet.

        What was served of a feature that was frozen is counted, and not compared: it was the default.
        """
        stood = self.frozen if self.policy.values == "served" else ()
        found: dict[str, Finding] = {}
        for sample in window(self.policy, self.project, self.version.version, self.start, self.end):
            held = {name: self.references[name] for name in sample.columns}
            counts = count(self.client, sample, {name: r.bins for name, r in held.items()})
            for name, reference in held.items():
                sound = self.policy.vector_name(name) not in stood
                found[name] = self._finding(reference, counts[name], compared=sound)
        return found

    def explained(self, drifted: Mapping[str, Finding]) -> dict[str, Finding]:
        """Add causes to those that drifted, which takes another look at their values."""
        if not drifted:
            return {}
        client, group, model = self.client, self.policy.group, self.policy.model.name
        stale, quiet, ranges = 0.0, dict[str, float](), dict[str, tuple[float, float]]()
        if group is not None:
            ranges = dict(self.project.group_plans[group.label].ranges)
            stale = stale_share(client, model, group.name, self.start, self.end)
            table = self.project.group_plans[group.label].table
            quiet = silent(client, model, group.name, table, self.start, self.end)
        deciles: dict[str, list[float]] = {}
        impossible: dict[str, float] = {}
        for sample in window(self.policy, self.project, self.version.version, self.start, self.end):
            numbers = [n for n in sample.columns if n in drifted and drifted[n].reference.bins.levels is None]
            deciles |= quantiles(client, sample, numbers, DECILES)
            impossible |= beyond(client, sample, {n: r for n, r in ranges.items() if n in numbers})
        return {
            name: replace(
                f,
                causes=causes(
                    f.reference,
                    f.counts,
                    deciles.get(name, ()),
                    stale,
                    quiet,
                    impossible.get(name, 0.0),
                ),
            )
            for name, f in drifted.items()
        }

    def segments(self, finding: Finding) -> tuple[Segment, ...]:
        """Give the segments that explain a feature's drift: without each it would be that much smaller.

        They are the five that explain the most, of those that explain a tenth, and more than their share of
        the rows.
        """
        held, name = finding.reference, finding.reference.feature
        before = held.within(held.counts)
        whole, found = psi(before, held.within(finding.counts)), []
        for sample in window(self.policy, self.project, self.version.version, self.start, self.end):
            for by in sample.segments if name in sample.columns and whole else ():
                for segment, counts in count_by_segment(self.client, sample, by, name, held.bins).items():
                    rest = held.within([n - m for n, m in zip(finding.counts, counts, strict=True)])
                    share = sum(counts) / finding.rows
                    explains = 1 - psi(before, rest) / whole if any(rest) else 0.0
                    if explains > max(share, _EXPLAINS):
                        found.append(Segment(name, by, segment, share, explains))
        return tuple(sorted(found, key=lambda s: (-s.explains, s.segment_by, s.segment))[:_SEGMENTS])

    def _finding(self, reference: Reference, counts: list[int], *, compared: bool) -> Finding:
        unlike = Finding(reference, tuple(counts), 0.0, None, None, None, None, 0.0, drifted=False)
        if not (sum(counts) and reference.rows):
            return unlike
        held, seen = reference.within(reference.counts), reference.within(counts)
        measured = replace(unlike, psi=psi(held, seen))
        if not compared or min(sum(counts), reference.rows) < self.policy.min_rows:
            return measured
        how = compare(
            reference.method,
            held,
            seen,
            reference.bins.edges,
            beyond=reference.beyond(counts),
            smallest=self.policy.level / len(self.references),
        )
        return replace(measured, statistic=how.statistic, effect_size=how.effect_size, p_value=how.p_value)
