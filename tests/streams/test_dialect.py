"""Every operation in Flink SQL, held to the reference on an engine of Flink's own."""

import re
from collections.abc import Mapping, Sequence

import pytest
from py4j.java_gateway import JavaGateway
from pyflink.common import Configuration
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.types import DataType as FlinkType
from pyflink.util.java_utils import add_jars_to_context_class_loader

from augury.settings import Settings
from features.expressions import Expression
from features.types import DataType, Row, Value
from streams.dialect import FLINK, FUNCTIONS, TYPES, column
from tests.expressions_table import SHEETS, Engine, Sheet, disagreements

_COLUMNS: dict[str, FlinkType] = {
    "BIGINT": DataTypes.BIGINT(),
    "DOUBLE": DataTypes.DOUBLE(),
    "BOOLEAN": DataTypes.BOOLEAN(),
    "STRING": DataTypes.STRING(),
}
# Flink folds constants to decimals, which have no negative zero. Nothing but the sign of a zero shows it.
_FOLDED = re.compile(r"x \* -0\.0 for .*: -?0\.0, not -?0\.0")


@pytest.fixture(scope="module")
def flink(flink_client: JavaGateway) -> Engine:
    """Evaluates over a table that is read while the query runs, so that nothing is folded as a constant."""
    configuration = Configuration()
    configuration.set_string("table.local-time-zone", "UTC")
    configuration.set_string("parallelism.default", "1")
    jar = Settings().operator_jar.as_uri()
    configuration.set_string("pipeline.jars", jar)
    settings = EnvironmentSettings.new_instance().in_batch_mode().with_configuration(configuration).build()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_python_worker_execution_mode", "process")  # no Python runs inside Flink
        tables = TableEnvironment.create(settings)
    add_jars_to_context_class_loader([jar])
    for name, class_name in FUNCTIONS.items():
        tables.create_java_temporary_system_function(name, class_name)

    def evaluate(
        columns: Mapping[str, DataType], rows: Sequence[Row], expressions: Sequence[Expression]
    ) -> list[list[Value]]:
        fields = [DataTypes.FIELD("_row", DataTypes.BIGINT())]
        fields += [DataTypes.FIELD(name, _COLUMNS[TYPES[t]]) for name, t in columns.items()]
        sheet = [(i, *(row[name] for name in columns)) for i, row in enumerate(rows)]
        tables.create_temporary_view("sheet", tables.from_elements(sheet, DataTypes.ROW(fields)))
        selected = ", ".join(
            f"CAST({FLINK.render(e)} AS {TYPES[e.type]}) AS {column(f'_{i}')}"
            for i, e in enumerate(expressions)
        )
        try:
            with tables.execute_sql(f"SELECT `_row`, {selected} FROM sheet").collect() as found:
                return [list(row)[1:] for row in sorted(found, key=lambda row: row[0])]
        finally:
            tables.drop_temporary_view("sheet")

    return evaluate


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda s: s.name)
def test_flink_agrees_with_the_reference(flink: Engine, sheet: Sheet) -> None:
    assert [d for d in disagreements(flink, sheet) if not _FOLDED.fullmatch(d)] == []
