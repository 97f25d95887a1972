# Every target works from a clean clone and installs what it needs into .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check
STAMP := .venv/.installed
# Also for what pip builds in isolation: older pips read the first, newer ones the second.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
UNIT_IGNORES := --ignore=tests/integration --ignore=tests/compose --ignore=tests/services --ignore=tests/examples --ignore=tests/asyncapi

.PHONY: run test unit check broker bench docs pictures scores clean apt
.PHONY: kafka-jars registry-jars go-programs java-programs node-packages asyncapi-component asyncapi-pictures
.DEFAULT_GOAL := run

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "fleet needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: $(STAMP)  ## the first machines on an embedded broker
	@exec $(BIN)/fleet run quickstart --speed 60

test: $(STAMP) kafka-jars registry-jars go-programs java-programs node-packages  ## everything, against a real Kafka and registry
	@$(BIN)/pytest -q

unit: $(STAMP)  ## what needs no network and under a minute
	@$(BIN)/pytest -q $(UNIT_IGNORES)

check: $(STAMP)  ## style, types, imports, scenarios
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check
	@$(BIN)/mypy --strict fleet
	@$(BIN)/lint-imports
	@$(BIN)/fleet check $(wildcard scenarios/*.yaml bench/*.yaml)

broker: $(STAMP) kafka-jars  ## a real Kafka on this machine until Ctrl-C
	@exec $(BIN)/python -m tests.services.kafka

bench: $(STAMP)  ## speed and memory beside the peers
	@exec $(BIN)/python -m bench

docs: $(STAMP)  ## the command line's page, from its own help
	@$(BIN)/typer fleet.cli.app utils docs --name fleet --output docs/commands.md >/dev/null

pictures: $(STAMP)  ## docs/plant.md, faults.md, scenario-library.md and their pictures
	@$(BIN)/python -m tests.picture.docs

scores: $(STAMP)  ## docs/score.md: what the example detectors score on every scenario
	@$(BIN)/python -m tests.score.update

asyncapi-pictures: $(STAMP)  ## the pictures of docs/asyncapi.md
	@$(BIN)/python -m tests.asyncapi.pictures

asyncapi-component: node-packages  ## AsyncAPI's React component as fleet ships it
	@$(BIN)/python -m tests.asyncapi.vendor

clean:  ## what can be made again, .venv included
	@rm -rf .venv .cache build dist out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find fleet tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

kafka-jars: $(STAMP)
	@$(BIN)/python -m tests.services.jars

registry-jars: $(STAMP)
	@$(BIN)/python -m tests.services.apicurio

go-programs: $(STAMP)
	@$(BIN)/python -m tests.services.go

java-programs: $(STAMP)
	@$(BIN)/python -m tests.services.javac

node-packages: $(STAMP)
	@$(BIN)/python -m tests.services.node $(dir $(wildcard tests/*/package-lock.json examples/*/package-lock.json))

# Debian only, as root: the system packages that the whole suite needs and that are missing.
apt:
	@missing=; \
	command -v kcat >/dev/null || missing="$$missing kcat"; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3 python3-venv"; \
	command -v ps >/dev/null || missing="$$missing procps"; \
	command -v javac >/dev/null || missing="$$missing default-jdk-headless"; \
	command -v mvn >/dev/null || missing="$$missing maven"; \
	command -v chromium >/dev/null || missing="$$missing chromium fonts-dejavu-core"; \
	test -z "$$missing" || { apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null; }
