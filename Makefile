# A person with python3 (3.10 or newer), make and git needs nothing else. `make help` lists the commands.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
RELEASED := .cache/released
# The version of `make cli`: the newest unless CLI names one. A `pulumi` on PATH is used before it.
OLDEST := $(basename $(notdir $(wildcard tools/cli/3.*.mod)))
CLI ?= $(shell sed -n 's|.*/pulumi/pkg/v3 v\([0-9.]*\).*|\1|p' tools/cli/go.mod)
export PATH := $(PATH):$(CURDIR)/.cache/cli/$(CLI)/bin
# Behind a company's proxy, uv has to trust what the system trusts.
export UV_SYSTEM_CERTS ?= true
# Each directory has a `__main__`, so mypy checks one at a time.
PROGRAMS := $(sort $(dir $(wildcard examples/*/*.py)))
SDK := .cache/sdk
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes \
	--custom-compile-command "make lock"

.PHONY: help demo cli check test dialects emulator up destroy lint recipes examples house picture docs matrix oldest soak bench audit sdks build release lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## deploy the quickstart on an emulator, from preview to destroy
	@$(BIN)/python -m tools.demo

cli: $(READY) ## the Pulumi CLI for this clone: from its installer, or built with Go in some minutes
	@$(BIN)/python -m tools.install_cli $(CLI)

check: lint ## the inner loop: lint, types, unit tests; a minute or two
	@$(BIN)/pytest --quiet -n auto tests/unit

test: lint matrix ## lint, types, every supported SDK and Python, all tests
	@$(BIN)/pytest --quiet -n auto --dialect elements tests/acceptance/test_lifecycle.py tests/robustness/test_{gone,lost_answers}.py
	@$(BIN)/pytest -n auto

dialects: ## all tests with an engine, against the dialect of the live services
	@$(BIN)/pytest -n auto --dialect elements tests/acceptance tests/robustness

emulator: $(READY) ## run the emulator in the foreground, on the instances of `make up`
	@mkdir -p .demo
	@$(BIN)/pulumi-instances emulator --data .demo/instances.db

up: $(READY) ## deploy the quickstart on the emulator and leave it there
	@$(BIN)/python -m tools.play up

destroy: $(READY) ## destroy what `make up` deployed
	@$(BIN)/python -m tools.play destroy

lint: $(READY) ## ruff, mypy, and which room may import which
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@for example in $(PROGRAMS); do $(BIN)/mypy --no-error-summary $$example || exit; done
	@$(BIN)/lint-imports --no-cache

recipes: $(READY) ## lint the recipes of docs/ci.md and the release workflow; needs Go
	@go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 examples/ci/github.yml .github/workflows/*.yml
	@$(BIN)/uvx --quiet check-jsonschema==0.39.0 --quiet --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci examples/ci/gitlab.yml

examples: $(READY) ## do each example as its README says, and check its types; needs the CLI, node and Go
	@$(BIN)/pytest --quiet tests/docs/test_{examples,policies,automation_api}.py
	@pulumi package gen-sdk $(CURDIR)/$(BIN)/pulumi-resource-instances --language python --out $(CURDIR)/$(SDK) >/dev/null
	@MYPYPATH=$(SDK)/python $(BIN)/mypy --no-error-summary examples/native-python
	@PYTHONPATH=$(SDK)/python:$(BIN)/../policy $(BIN)/uvx --quiet pyright==1.1.414 --pythonpath $(BIN)/python examples

house: $(READY) ## how far a reader has to go, and how much there is, beside the targets
	@$(BIN)/python -m tools.house

picture: $(READY) ## draw the terminal of the README again, from a run of the CLI on PATH
	@$(BIN)/python -m tools.picture

docs: $(READY) ## the documentation as a website, into site/, and its tests (Python 3.11)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@$(BIN)/python -m tools.website site
	@$(BIN)/pytest --quiet tests/docs/test_website.py --website site

matrix: $(READY) ## the quick tests on the oldest and newest SDK and every Python found
	@$(BIN)/nox

oldest: $(READY) ## the acceptance tests on the oldest supported Pulumi CLI, which this builds
	@$(BIN)/python -m tools.install_cli $(OLDEST)
	@PATH="$(CURDIR)/.cache/cli/$(OLDEST)/bin:$$PATH" $(BIN)/pytest -n auto tests/acceptance

soak: $(READY) ## minutes of random work under faults
	@$(BIN)/pytest -m soak

bench: $(READY) ## measure against the engine's own floor; OPTIONS=--quick takes two minutes
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@$(BIN)/python -m bench $(OPTIONS)

audit: $(READY) ## known vulnerabilities in what the lock pins; asks the advisory service
	@$(BIN)/uvx --quiet pip-audit==2.10.1 --strict --disable-pip --require-hashes --requirement requirements/dev.txt

sdks: $(READY) ## the SDKs of the native package, for each language whose generator is on PATH
	@$(BIN)/python -m tools.native_sdk .cache/sdks

build: $(READY) ## wheel and sdist, into dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation

release: build ## what a release publishes, checked, and tried on every Python and on the oldest SDK and CLI
	@$(BIN)/python -m tools.release dist
	@$(BIN)/uvx --quiet twine==7.0.0 check --strict dist/pulumi_instances-*
	@$(BIN)/pytest --quiet tests/packaging/test_distributions.py tests/packaging/test_release.py
	@$(BIN)/uv venv --quiet --clear $(RELEASED)
	@$(BIN)/uv pip install --quiet --python $(RELEASED) dist/*.whl
	@$(BIN)/uvx --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment --pyproject pyproject.toml --mc-type library \
		--output-reproducible --output-file dist/pulumi-instances.cdx.json $(RELEASED)
	@$(BIN)/python -m tools.install_cli $(OLDEST)
	@$(BIN)/nox --session released --reuse-venv never

lock: $(READY) ## refresh requirements/
	@$(LOCK) --extra dev --output-file requirements/dev.txt pyproject.toml
	@$(LOCK) --group bench --constraint requirements/dev.txt --output-file requirements/bench.txt
	@$(LOCK) --group policy --no-deps --output-file requirements/policy.txt
	@$(subst 3.10,3.11,$(LOCK)) --group docs --constraint requirements/dev.txt --output-file requirements/docs.txt

clean: ## remove everything that these commands made
	@rm -rf .venv .demo .cache dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@rm -f Pulumi.demo.yaml Pulumi.play.yaml
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is quiet, and does not run again before the project or its lock changes.
$(READY): pyproject.toml requirements/dev.txt requirements/policy.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.12 …")'
	@echo "Preparing .venv …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .venv/policy \
		--require-hashes -r requirements/policy.txt
	@touch $@
