"""What the operators of a group's job keep in Flink's state, and whether a state that is there fits the job.

An operator's uid is its name and the layout of its state, so that Flink itself gives no operator a state of
another layout, and a checkpoint tells how what it holds is laid out.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from features.errors import DefinitionError
from features.handover import Handover
from features.plan import SCALE, GroupPlan
from streams import sql

# The form in which a step writes its state: raised with each change of it, in Java or in a new connector.
_SOURCE = _CLOCK = _DEDUP = _LOOKUP = _WINDOWS = _SINK = 1
_SHOWN = 8

Layout = dict[str, Any]


def layouts(plan: GroupPlan, handover: Handover | None = None) -> dict[str, Layout]:
    """Give the layout of each stateful operator's state, by the operator's name.

    It holds what decides whether bytes are read as they were written, and nothing else: neither `where` nor
    an expression, whose changes are the contract's.
    """
    found: dict[str, Layout] = {}
    for source in plan.inputs:
        columns = {name: t.value for name, t in plan.read(source).items()}
        found[f"{plan.label} {source.name} source"] = {"format": _SOURCE}
        found[f"{plan.label} {source.name} clock"] = {"format": _CLOCK, "dedup": source.dedup}
        if source.dedup == "keyed":
            found[f"{plan.label} {source.name} dedup"] = {"format": _DEDUP, "columns": columns}
    event = {name: plan.shared[name].value for name in sql.taken_columns(plan)}
    for number, lookup in enumerate(plan.lookups):
        gained = {name: t.value for name, t in lookup.types.items()}
        name = f"{sql.lookup_name(plan, number)} lookup"
        found[name] = {"format": _LOOKUP, "found": gained, "event": event}
        event = event | gained
    found[f"{plan.label} windows"] = {
        "format": _WINDOWS,
        "order": plan.order,
        "scale": SCALE,
        "arguments": [a.type.value for a in plan.arguments],
        "windows": [[w.size, w.hop] for w in plan.windows],
        "aggregates": [
            [a.op, a.argument, a.window, *([dict(a.options)] if a.options else [])] for a in plan.aggregates
        ],
    }
    if handover is not None:
        found[f"{plan.label} windows"]["cut"] = handover.cut
        found[f"{plan.label} seed source"] = {"format": _SOURCE, "topic": handover.topic}
    return found | {f"{plan.label} {topic} sink": {"format": _SINK} for topic in sql.outputs(plan)}


def uids(plan: GroupPlan, handover: Handover | None = None) -> dict[str, str]:
    """Give the uid of each stateful operator, by its name: the name, and the layout as JSON."""
    return {
        name: f"{name} {json.dumps(layout, sort_keys=True, separators=(',', ':'))}"
        for name, layout in layouts(plan, handover).items()
    }


def refuse_unfit(plan: GroupPlan, kept: Iterable[str], where: str, handover: Handover | None = None) -> None:
    """Raise `DefinitionError` where the job cannot go on from a state, saying what differs.

    `kept` has the uids of the operators that the state is of, `where` says whose or where the state is.
    """
    found = differences(plan, kept, handover)
    if found:
        more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        raise DefinitionError(
            f"job {plan.label}, state of {where}",
            "a job goes on from a state of its own operators, laid out as they lay it out",
            "it could not start from it, and nothing was touched. Go on with the release that left the "
            "state; or cancel the job, remove its folder of checkpoints, and apply: it reads the log from "
            "the beginning and writes the same rows again, under the same identities",
            [*found[:_SHOWN], *more],
        )


def differences(plan: GroupPlan, kept: Iterable[str], handover: Handover | None = None) -> list[str]:
    """Say where a state differs from what the job's operators would read; nothing where it fits."""
    kept, wanted = set(kept), uids(plan, handover)
    if not kept:
        return ["it names no operators"]
    found = []
    for uid in sorted(kept.difference(wanted.values())):
        name, _, stated = uid.partition(" {")
        if name not in wanted:
            found.append(f"{name}: the job has no such operator")
            continue
        was = dict(_parts(json.loads("{" + stated)))
        now = dict(_parts(layouts(plan, handover)[name]))
        found += [
            f"{name}: {part} was {was.get(part, 'none')}, is {now.get(part, 'none')}"
            for part in dict.fromkeys([*was, *now])
            if was.get(part) != now.get(part)
        ]
    return found


def _parts(layout: Layout) -> Iterator[tuple[str, str]]:
    """Give the parts of a layout, those of lists and mappings one by one."""
    for name, value in layout.items():
        if isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}.{key}", json.dumps(item)) for key, item in items)
        else:
            yield name, json.dumps(value)
