"""What a changed contract changes: descriptions, form of rows, features, defaults, computation or types.

Two contracts are compared by what each feature is computed from, not by where the canonical JSON has it: a
feature that has moved, or whose row column has another name, has the values that it had.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlglot
from sqlglot import exp

from features.windows import spell

Contract = Mapping[str, Any]
_IDENTITY = {"group", "version"}
_DESCRIPTION = ("meaning", "owner", "freshness", "ranges")
_FEATURES = {"aggregates", "derived", "arguments", "windows", "defaults"}


class Effect(StrEnum):
    """What a difference does to those who read the group, the mildest first."""

    DESCRIPTION = "description"  # meaning, owner, freshness or ranges: each value is what it was
    FORM = "form"  # the same values in rows of another layout
    ADDITIVE = "additive"  # more features; the old ones are what they were
    DEFAULTS = "defaults"  # the same rows; vectors differ where there is no row, or a stale one
    COMPUTATION = "computation"
    TYPE = "type"
    REMOVAL = "removal"


@dataclass(frozen=True)
class Difference:
    """One difference: `subject` is a feature's name, or the part of the contract that all features share."""

    effect: Effect
    subject: str
    text: str
    shared: bool = False


def differences(before: Contract, after: Contract) -> tuple[Difference, ...]:
    """Compare two contracts, as `GroupPlan.to_dict` gives them, of any two versions of a group."""
    found = [_described(name, before, after) for name in _DESCRIPTION if before.get(name) != after.get(name)]
    found += _shared(before, after)
    old, new = _features(before), _features(after)
    kept = [name for name in old if name in new]
    found += [Difference(Effect.REMOVAL, n, f"was {old[n].text}") for n in old if n not in new]
    for name in kept:
        was, now = old[name], new[name]
        if was.type != now.type:
            found.append(Difference(Effect.TYPE, name, _change(was.type, now.type)))
        if was.text != now.text or was.options != now.options:
            stated = (was.text, now.text) if was.text != now.text else (was.options, now.options)
            found.append(Difference(Effect.COMPUTATION, name, _change(*stated)))
        elif was.over != now.over:
            text = f"{now.text}, through what it is derived from"
            found.append(Difference(Effect.COMPUTATION, name, text))
    found += _defaulted(kept, before, after)
    found += [Difference(Effect.ADDITIVE, n, new[n].text) for n in new if n not in old]
    order = [name for name in new if name in old]
    if order != kept:
        found.append(Difference(Effect.FORM, "order of features", _change(", ".join(kept), ", ".join(order))))
    elif not found and _stated(before) != _stated(after):
        found.append(Difference(Effect.FORM, "names of row columns", "no value depends on them"))
    return tuple(found)


def effect_of(found: Iterable[Difference]) -> Effect:
    """Give the gravest effect; a contract without differences changes its description at most."""
    order = list(Effect)
    return max((d.effect for d in found), key=order.index, default=Effect.DESCRIPTION)


def same_rows(found: Iterable[Difference]) -> bool:
    """Tell whether each row is what it was: nothing differs but descriptions and defaults."""
    return all(d.effect in (Effect.DESCRIPTION, Effect.DEFAULTS) for d in found)


def computations(contract: Contract) -> dict[str, str]:
    """Tell of each feature, by name in row order, what it is computed from."""
    return {name: feature.text for name, feature in _features(contract).items()}


@dataclass(frozen=True)
class _Computed:
    """A feature out of a contract: its type, its spelling, and the computations that it is derived from."""

    type: str
    text: str
    options: Any = None  # of the aggregate and its argument
    over: tuple["_Computed", ...] = ()


def _features(contract: Contract) -> dict[str, _Computed]:
    found: dict[str, _Computed] = {}
    for aggregate in contract["aggregates"]:
        at, window = aggregate["argument"], aggregate["window"]
        argument = {} if at is None else dict(contract["arguments"][at])
        size = None if window is None else contract["windows"][window]
        over = "ever" if size is None else f"over {spell(size['size'])}, hop {spell(size['hop'])}"
        text = f"{aggregate['op']}({argument.get('expression', '')}) {over}"
        named = ("name", "expression", "op", "argument", "window", "type")
        options = {k: v for k, v in (*argument.items(), *aggregate.items()) if k not in named}
        found[aggregate["name"]] = _Computed(aggregate["type"], text, options)
    aggregates = dict(found)
    for derived in contract["derived"]:
        read = {column.name for column in sqlglot.parse_one(derived["expression"]).find_all(exp.Column)}
        over_these = tuple(aggregates[name] for name in sorted(read) if name in aggregates)
        found[derived["name"]] = _Computed(derived["type"], derived["expression"], over=over_these)
    return found


def _described(name: str, before: Contract, after: Contract) -> Difference:
    """Tell of a description; freshness is more than one where a stale row gives way to defaults."""
    old, new = before.get(name), after.get(name)
    if name == "freshness" and "default" in (before[name]["on_stale"], after[name]["on_stale"]):
        return Difference(Effect.DEFAULTS, name, _change(old, new), shared=True)
    return Difference(Effect.DESCRIPTION, name, _change(old, new))


def _defaulted(kept: Iterable[str], before: Contract, after: Contract) -> list[Difference]:
    """Compare the defaults of the features that both contracts have."""
    old, new = ({n: repr(v) for n, v in c.get("defaults", {}).items()} for c in (before, after))
    return [
        Difference(Effect.DEFAULTS, name, f"default {_change(old.get(name), new.get(name))}")
        for name in kept
        if old.get(name) != new.get(name)
    ]


def _shared(before: Contract, after: Contract) -> list[Difference]:
    """Compare what all features are computed from: entity, source, filter, order, and whatever else."""
    old, new = _parts(before), _parts(after)
    return [
        Difference(Effect.COMPUTATION, name, _change(old.get(name), new.get(name)), shared=True)
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
        # a column comes and goes with the features that read it
        and not (".columns." in name and not (name in old and name in new))
    ]


def _refusals(contract: Contract) -> dict[str, int]:
    """Give the numbers with a closer bound than others: an event with one beyond it is refused whole."""
    return {a["expression"]: a["bound"] for a in contract["arguments"] if "bound" in a}


def _parts(contract: Contract) -> dict[str, Any]:
    apart = _IDENTITY | _FEATURES | {*_DESCRIPTION, "sources"}
    parts = {name: value for name, value in contract.items() if name not in apart}
    parts["refusals"] = _refusals(contract)
    for source in contract["sources"]:
        at = f"source {source['name']}"
        parts |= {f"{at}.{name}": value for name, value in source.items() if name != "columns"}
        parts |= {f"{at}.columns.{name}": value for name, value in source["columns"].items()}
    return parts


def _stated(contract: Contract) -> dict[str, Any]:
    return {name: value for name, value in contract.items() if name not in _IDENTITY}


def _change(before: object, after: object) -> str:
    return f"{_spelled(before)} -> {_spelled(after)}"


def _spelled(value: object) -> str:
    return "none" if value in (None, "") else str(value)
