# `make help` lists the targets. Each creates what it needs in .venv, and changes nothing else on the machine.

.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
LOCK_OPTIONS = $(UPGRADE) --quiet --universal --python-version 3.13 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links
PACKAGES := ftl2_enterprise tests bench packaging docs .ci
# One more than the cores of a small build machine, because most tests wait; use make test JOBS=8 on a larger one.
JOBS ?= 3

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/python.stamp: packaging/find-python
	@python=$$(packaging/find-python) || exit 1; \
	test -x $(BIN)/python && $(BIN)/python -c 'import sys; raise SystemExit(sys.version_info < (3, 13))' 2>/dev/null \
		|| "$$python" -m venv --clear $(VENV)
	@touch $@

# The cache of pip makes the second installation fast; the hashes make it identical.
$(VENV)/run.stamp: $(VENV)/python.stamp packaging/requirements.lock pyproject.toml
	@echo "setting up $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r packaging/requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp packaging/requirements-dev.lock
	@echo "adding the tools for tests and checks ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r packaging/requirements-dev.lock
	@touch $@

.PHONY: run
run: $(VENV)/run.stamp ## the tour: a loop converges, drifts and repairs, in a temporary directory
	@$(BIN)/ftl2-enterprise tour

MACHINES = -n $(JOBS) --dist loadfile tests/acceptance/systemd
EVERYTHING_ELSE = -n $(JOBS) --dist worksteal --ignore=tests/acceptance/systemd

# Tests start hundreds of processes. Where Python must not write bytecode, each would compile every module.
.PHONY: compiled
compiled: $(VENV)/run.stamp
	@$(BIN)/python -m compileall -q ftl2_enterprise tests/support

.PHONY: test
test: $(VENV)/dev.stamp $(VENV)/package.stamp compiled ## unit, store, integration and snapshot tests, and a few of each slower kind
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --quick --ignore=tests/acceptance/systemd

.PHONY: test-all
test-all: $(VENV)/dev.stamp $(VENV)/package.stamp compiled ## every test that needs no booted machine
	@$(BIN)/python -m pytest $(EVERYTHING_ELSE)

$(VENV)/lowest.stamp: $(VENV)/python.stamp packaging/requirements-lowest.lock pyproject.toml
	@echo "setting up $(VENV)/lowest with the oldest supported libraries ..."
	@$(BIN)/python -m venv --clear $(VENV)/lowest
	@$(VENV)/lowest/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r packaging/requirements-lowest.lock
	@$(VENV)/lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.PHONY: test-lowest
test-lowest: $(VENV)/lowest.stamp compiled ## unit and store tests with the lower bounds of pyproject.toml, and the floor of their coverage
	@rm -f .coverage .coverage.*
	@$(VENV)/lowest/bin/python -m coverage run -m pytest -p no:cacheprovider -n $(JOBS) --dist worksteal tests/unit tests/store
	@$(VENV)/lowest/bin/python -m coverage combine --quiet
	@echo "lines that these tests execute, %: $$($(VENV)/lowest/bin/python -m coverage report --format=total)"
	@$(VENV)/lowest/bin/python -m coverage report >/dev/null

.PHONY: faults
faults: $(VENV)/dev.stamp ## the fault suite alone
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests/faults

CAMPAIGNS ?= 200
.PHONY: faults-long
faults-long: $(VENV)/dev.stamp ## many crash campaigns (CAMPAIGNS=200), every fault point, kills among 200 loops
	@FAULT_CAMPAIGNS=$(CAMPAIGNS) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests/faults/run/test_crash_campaign.py
	@FAULT_POINTS=each $(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests/faults/service/kills/test_loop_killed.py
	@FAULT_SECONDS=60 FAULT_LOOPS=200 $(BIN)/python -m pytest tests/faults/service/kills/test_campaign.py tests/faults/service/environment/test_many_loops.py

.PHONY: coverage
coverage: $(VENV)/dev.stamp ## the lines that unit, store and integration tests execute, and those that they do not
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m coverage run -m pytest -n $(JOBS) --dist worksteal tests/unit tests/store tests/integration
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report --show-missing

.PHONY: check
check: $(VENV)/dev.stamp ## format, lint, types, layers, dependencies, spelling, words, links
	@$(BIN)/ruff format --check --quiet $(PACKAGES)
	@$(BIN)/ruff check --quiet $(PACKAGES)
	@$(BIN)/basedpyright
	@$(BIN)/python packaging/check_imports.py
	@$(BIN)/deptry .
	@$(BIN)/codespell ftl2_enterprise bench docs examples packaging systemd .ci .github Makefile *.md
	@$(BIN)/python packaging/check_words.py
	@$(BIN)/python packaging/check_links.py
	@$(BIN)/python docs/diagrams.py --check

.PHONY: format
format: $(VENV)/dev.stamp ## format, and fix what ruff can fix
	@$(BIN)/ruff check --quiet --fix $(PACKAGES) || true
	@$(BIN)/ruff format --quiet $(PACKAGES)

.PHONY: reference
reference: $(VENV)/run.stamp ## generate the pages of docs/reference and the drawing of the layers
	@$(BIN)/python -m ftl2_enterprise.wiring.lifecycle_reference > docs/reference/lifecycles.md
	@$(BIN)/python -c 'from ftl2_enterprise.ctl.reference_page import document; print(document(), end="")' \
		> docs/reference/ftl2ctl.md
	@$(BIN)/python -m ftl2_enterprise.protocol.loops.manifest > docs/reference/manifest.schema.json
	@$(BIN)/python -m ftl2_enterprise.protocol.fact_reference > docs/reference/events.md
	@$(BIN)/python -m ftl2_enterprise.gate.module_reference > docs/reference/modules.md
	@$(BIN)/python docs/verb_table.py
	@$(BIN)/python docs/example_capability.py
	@$(BIN)/python docs/diagrams.py

$(VENV)/docs.stamp: $(VENV)/python.stamp packaging/requirements-docs.lock
	@echo "setting up $(VENV)/docs ..."
	@$(BIN)/python -m venv --clear $(VENV)/docs
	@$(VENV)/docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r packaging/requirements-docs.lock
	@touch $@

.PHONY: docs
docs: $(VENV)/docs.stamp ## the documentation site, into build/docs; fails on dead links
	@$(VENV)/docs/bin/python -m sphinx --builder html --fresh-env --fail-on-warning --keep-going --quiet \
		--doctree-dir build/doctrees docs build/docs
	@$(BIN)/python packaging/check_links.py --site build/docs

$(VENV)/package.stamp: $(VENV)/run.stamp packaging/requirements-package.lock packaging/requirements.lock
	@echo "adding what builds packages ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r packaging/requirements-package.lock
	@PYTHONPATH=packaging $(BIN)/python -m ftl2_packaging wheels || echo "tests that need these wheels are skipped"
	@touch $@

# RELEASE counts the builds of a version: make deb RELEASE=2 builds an upgrade of the first one.
RELEASE ?= 1
.PHONY: deb
deb: $(VENV)/package.stamp ## the Debian package, into build/
	@PYTHONPATH=packaging $(BIN)/python -m ftl2_packaging deb --release $(RELEASE)

.PHONY: rpm
rpm: $(VENV)/package.stamp ## the RPM package, into build/
	@PYTHONPATH=packaging $(BIN)/python -m ftl2_packaging rpm --release $(RELEASE)

# Two builds of the packages, on Debian 13 machines that the tests boot; this needs root. The tree that the machines boot is
# cached in ~/.cache/ftl2-enterprise. If no machine can be booted, every test is skipped with the reason.
.PHONY: acceptance
acceptance: machines ## the packages on a real systemd
	@$(BIN)/python -m pytest $(MACHINES)

.PHONY: machines
machines: $(VENV)/dev.stamp $(VENV)/package.stamp
	@if $(BIN)/python -m tests.acceptance.systemd.tree; then for release in 1 2; do \
		PYTHONPATH=packaging $(BIN)/python -m ftl2_packaging deb rpm --release $$release || exit 1; done; fi

# Everything, as CI runs it: a test that fails is run once more, alone, at the end, and is named as unstable if it passes.
.PHONY: test-ci
test-ci: machines compiled
	@$(BIN)/python .ci/run_tests.py $(MACHINES) -- $(EVERYTHING_ELSE)

.PHONY: bench
bench: $(VENV)/dev.stamp ## measure, as ratios to peers in the same run
	@$(BIN)/python -m bench

.PHONY: bench-supervisor
bench-supervisor: $(VENV)/dev.stamp ## compare the service with supervisord, circus and runit; some minutes
	@packaging/fetch-peers $(VENV)/peers $(BIN)/python
	@$(BIN)/python -m bench.peers $(VENV)/peers

.PHONY: lock
lock: $(VENV)/dev.stamp ## resolve pyproject.toml into the lock files; UPGRADE=--upgrade for the newest versions
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) pyproject.toml --output-file packaging/requirements.lock
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) --group dev pyproject.toml --output-file packaging/requirements-dev.lock
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) --group pyproject.toml:package --output-file packaging/requirements-package.lock
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) --group pyproject.toml:docs --output-file packaging/requirements-docs.lock
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) --resolution lowest-direct --group test pyproject.toml \
		--output-file packaging/requirements-lowest.lock

.PHONY: clean
clean: ## remove the environment and the caches of tools
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
