# `make demo` and `make test` set up all they need; each step is skipped where it is up to date.
UV_VERSION := 0.13.9
UV := $(shell command -v uv || echo .tools/bin/uv)
PACKAGES := schemas features streams warehouse inference flows augury examples benchmarks client
OPERATOR := streams/operator/target/augury-operator.jar
OPERATOR_SOURCES := streams/operator/pom.xml $(shell find streams/operator/src/main -type f 2>/dev/null)

export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE
SAY = @printf '\n\033[1m== %s\033[0m\n'

.DEFAULT_GOAL := demo
.PHONY: demo test lint bench bench-backfill bench-asof bench-stream bench-serving bench-drift bench-trials
.PHONY: faults chaos watch
.PHONY: environment jars operator operator-test clean

demo: environment jars operator
	$(SAY) "the demo: real flights from events to judged predictions"
	.venv/bin/augury demo examples.flights

# Much of what a test on the stack takes is waiting, so three at a time suit two cores.
JOBS ?= 3
test: lint operator-test jars operator
	$(SAY) "tests, on real stacks, $(JOBS) files at a time"
	.venv/bin/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

lint: environment
	$(SAY) "format, lint, types, layers, dead code"
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/vulture $(PACKAGES) --min-confidence 80 --exclude '*/.cache/*'

# SIZE=quick is for a look, SIZE=full for figures; each benchmark fails where the systems' results differ.
SIZE ?= quick
bench: bench-backfill bench-asof bench-stream bench-serving bench-drift bench-trials

bench-backfill: environment
	$(SAY) "backfill: Augury, ClickHouse, DuckDB, Polars"
	.venv/bin/python -m benchmarks.backfill --size $(SIZE)

bench-stream: environment jars operator
	$(SAY) "streaming: Augury, a job that only copies, Flink SQL"
	.venv/bin/python -m benchmarks.stream --size $(SIZE)

bench-asof: environment
	$(SAY) "as-of join: Augury, DuckDB, Polars, pandas, Feast"
	.venv/bin/python -m benchmarks.asof --size $(SIZE)

bench-serving: environment jars
	$(SAY) "serving: Augury's doors, a bare loop, a bare application, Feast, MLServer"
	.venv/bin/python -m benchmarks.serving --size $(SIZE)

bench-drift: environment
	$(SAY) "drift: Augury, Evidently, NannyML"
	.venv/bin/python -m benchmarks.drift --size $(SIZE)

bench-trials: environment
	$(SAY) "trials: error rates, power and drift in mid-trial, by simulation"
	.venv/bin/python -m benchmarks.trials --size $(SIZE)

faults: environment jars
	$(SAY) "faults: every part is killed, taken away or fed nonsense under load"
	.venv/bin/python -m benchmarks.faults --size $(SIZE)

chaos: environment jars
	$(SAY) "chaos: the chain from an event to a new champion, killed at each of its steps"
	.venv/bin/python -m benchmarks.chaos --size $(SIZE)

watch: environment jars operator
	$(SAY) "the flights, watched: three faults and a season, a strike, and a job that stands still"
	.venv/bin/python -m benchmarks.watch

environment: .venv/synced
jars: .jars/stamp
operator: $(OPERATOR)

$(UV):
	$(SAY) "uv $(UV_VERSION) from PyPI into .tools"
	python3 -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/synced: pyproject.toml uv.lock | $(UV)
	$(SAY) "the Python environment in .venv"
	$(UV) sync --frozen --all-extras
	@touch $@

.jars/stamp: augury/stack/pom.xml | .venv/synced
	$(SAY) "the stack's jars in .jars"
	.venv/bin/augury jars
	@touch $@

$(OPERATOR): $(OPERATOR_SOURCES)
	$(SAY) "the Flink operator"
	mvn -B -ntp -q -f streams/operator/pom.xml package -DskipTests
	@touch $@

operator-test:
	$(SAY) "the Flink operator's own tests"
	MAVEN_OPTS=-XX:TieredStopAtLevel=1 mvn -B -ntp -q -f streams/operator/pom.xml verify

clean:
	[ ! -x .venv/bin/augury ] || .venv/bin/augury down
	rm -rf benchmarks/.cache .venv .tools .jars .augury streams/operator/target .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
