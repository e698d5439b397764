"""The catalogue: what each group version promises, how it came about and who reads it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from features.contracts import AppliedContract
from features.cutover import Routes
from features.effects import Effect, computations, differences, effect_of
from features.plan import GroupPlan
from features.types import Value
from features.uses import Use
from features.windows import spell


class Standing(StrEnum):
    """Where a group version stands."""

    DEFINED = "defined"  # in the project, not applied
    APPLIED = "applied"
    CHANGED = "changed"  # applied, and the project has another contract under the same version
    ABSENT = "absent"  # applied, and not in the project


@dataclass(frozen=True)
class Feature:
    """A feature as a reader meets it; `default` and `range` are None where none is stated."""

    name: str
    type: str
    computation: str
    default: Value = None
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Entry:
    """A group version: its contract as it was applied, else as the project has it.

    `applied_at` is in ms since the epoch, None where it was not applied; `windows` are spelled `1h, hop 1m`;
    `effect` is the change from the version before it in the catalogue; `served_as` is the version that is
    read where signatures name this one.
    """

    group: str
    version: int
    meaning: str
    owner: str
    entity: str
    keys: tuple[str, ...]
    source: str
    order: str
    where: str | None
    windows: tuple[str, ...]
    expected_max_lag_ms: int
    alert_threshold_ms: int
    on_stale: str
    features: tuple[Feature, ...]
    standing: Standing = Standing.DEFINED
    applied_at: int | None = None
    contract_hash: str = ""
    effect: Effect | None = None
    uses: tuple[Use, ...] = ()
    served_as: int = 0
    quiet_after_ms: int | None = None

    @property
    def label(self) -> str:
        """`<group>.v<version>`."""
        return f"{self.group}.v{self.version}"

    def matching(self, words: Iterable[str]) -> "Entry":
        """Keep the features in whose line, the group's description included, all words occur."""
        mine = (self.label, self.meaning, self.owner, self.entity, *self.keys, self.source, *self.windows)
        common = " ".join(mine).lower()
        wanted = [word.lower() for word in words]
        kept = [
            f
            for f in self.features
            if all(w in f"{common} {f.name} {f.type} {f.computation}".lower() for w in wanted)
        ]
        return replace(self, features=tuple(kept))


def catalogue(
    plans: Iterable[GroupPlan] | None,
    applied: Iterable[AppliedContract],
    uses: Iterable[Use],
    routes: Routes,
) -> list[Entry]:
    """List a project's groups and the applied ones, by name and version; without `plans` the latter alone."""
    known = plans is not None
    defined = {(plan.name, plan.version): plan for plan in plans or ()}
    standing = {(contract.group, contract.version): contract for contract in applied}
    readers = list(uses)
    listed: list[Entry] = []
    before: dict[str, Any] = {}
    for key in sorted({*defined, *standing}):
        plan, held = defined.get(key), standing.get(key)
        contract = held.stated if held is not None else defined[key].to_dict()
        entry = _entry(contract)
        follows = before.get("group") == entry.group
        listed.append(
            replace(
                entry,
                standing=_standing(held, plan) if known else Standing.APPLIED,
                applied_at=None if held is None else held.applied_at,
                contract_hash=held.contract_hash if held is not None else defined[key].contract_hash,
                effect=effect_of(differences(before, contract)) if follows else None,
                uses=tuple(use for use in readers if use.label == entry.label),
                served_as=routes[key].version if key in routes else entry.version,
            )
        )
        before = contract
    return listed


def _standing(held: AppliedContract | None, plan: GroupPlan | None) -> Standing:
    if held is None:
        return Standing.DEFINED
    if plan is None:
        return Standing.ABSENT
    return Standing.APPLIED if plan.contract_hash == held.contract_hash else Standing.CHANGED


def _entry(contract: dict[str, Any]) -> Entry:
    types = {f["name"]: f["type"] for f in (*contract["aggregates"], *contract["derived"])}
    return Entry(
        group=contract["group"],
        version=contract["version"],
        meaning=contract["meaning"],
        owner=contract["owner"],
        entity=contract["entity"]["name"],
        keys=tuple(contract["entity"]["keys"]),
        source=", ".join(
            source["name"]
            for source in (*contract["sources"], *(lookup["source"] for lookup in contract["lookups"]))
        ),
        order=contract["order"],
        where=contract["where"],
        windows=tuple(f"{spell(w['size'])}, hop {spell(w['hop'])}" for w in contract["windows"]),
        features=tuple(
            Feature(
                name,
                types[name],
                text,
                contract.get("defaults", {}).get(name),
                contract.get("ranges", {}).get(name),
            )
            for name, text in computations(contract).items()
        ),
        **contract["freshness"],
    )
