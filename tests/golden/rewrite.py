"""The golden texts: what the definitions of `tests/definitions.py` compile to.

After a change that is meant, write them anew with `python -m tests.golden.rewrite` and read the difference:
a plan's text is a contract, so an unmeant change of it breaks what was applied.
"""

import json
import re
from pathlib import Path

from features.compile import compile_group
from features.compile_model import compile_model
from features.plan import GroupPlan
from streams import sql as flink
from tests.definitions import GROUPS, late
from warehouse import backfill_sql

FOLDER = Path(__file__).parent
ADDRESSES = flink.Addresses("log:9092", "http://registry:8080/apis/ccompat/v7", {"security.protocol": "SSL"})
SINCE, UNTIL = 1_356_998_400_000, 1_359_676_800_000


def texts() -> dict[str, str]:
    """Give each golden file's name and what it must hold."""
    found = {
        "late.model.json": json.dumps(compile_model(late).to_dict(), indent=2, ensure_ascii=False) + "\n"
    }
    for group in GROUPS:
        plan = compile_group(group)
        found[f"{group.name}.plan.json"] = plan.to_json()
        found[f"{group.name}.avsc"] = json.dumps(plan.avro_schema(), indent=2) + "\n"
        found[f"{group.name}.flink.sql"] = flink.script(plan, ADDRESSES)
        found[f"{group.name}.clickhouse.sql"] = _clickhouse(plan)
    return found


def _clickhouse(plan: GroupPlan) -> str:
    parts = {
        "gathered": backfill_sql.gather(plan, SINCE, UNTIL, 16),
        "events": backfill_sql.number(plan, "gathered"),
        "moments": backfill_sql.moments(plan, "events", UNTIL),
        "staged": backfill_sql.stage(plan, "moments", "events"),
        "rows": backfill_sql.rows(plan, "staged", SINCE, UNTIL),
    }
    return "\n".join(f"-- {name}\n{_broken(sql)};\n" for name, sql in parts.items())


def _broken(sql: str) -> str:
    """Break one long line where a difference will be read."""
    for word in ("FROM", "WHERE", "UNION ALL", "ARRAY JOIN", "INNER JOIN", "LEFT JOIN", "WINDOW", "SETTINGS"):
        sql = sql.replace(f" {word} ", f"\n{word} ")
    return re.sub(r"( AS [`\w]+), ", r"\1,\n  ", sql)


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
