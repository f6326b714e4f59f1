PYTHON ?= python3
BIN := .venv/bin
# Two test processes on two cores: one thread each, or they wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

# Coverage's own limit counts lines and branches together, and lines are easily covered.
BRANCHES := import json, sys; percent = json.load(sys.stdin)["totals"]["percent_branches_covered"]; \
	sys.exit(f"{percent:.1f} % of the branches of src are covered; at least 95 % are needed" if percent < 95 else 0)

.PHONY: demo pipeline test test-slow test-all test-lowest coverage lint audit docs dist try-dist clean

## demo: install, then the main job on the bundled real people
demo: .venv/installed
	$(BIN)/haploscribe demo

## pipeline: the Snakemake pipeline on the bundled real people, their genes cut in two; in build/pipeline
pipeline: .venv/installed build/pipelines/installed
	PATH="$(CURDIR)/$(BIN):$(CURDIR)/build/pipelines/bin:$$PATH" build/pipelines/bin/snakemake --cores all \
	  --snakefile pipelines/snakemake/Snakefile --configfile pipelines/snakemake/example.yaml

## test: install, then the fast tests
test: .venv/installed-dev
	$(PYTEST) -m "not slow"

## test-slow: the tests that `test` leaves out
test-slow: .venv/installed-dev
	$(PYTEST) -m slow

## test-all: the fast and the slow tests
test-all: .venv/installed-dev
	$(PYTEST)

## test-lowest: the demo and the fast tests, with the lowest versions that pyproject.toml allows, torch among them
test-lowest:
	$(PYTHON) -m tests.campaigns.compatibility --python $(PYTHON) --resolution lowest-direct --resolve-torch

## coverage: the fast tests, and how much of src they run: fails under 95 % of the branches
coverage: .venv/installed-dev
	$(PYTEST) -m "not slow" --cov --cov-report=term-missing:skip-covered
	$(BIN)/coverage json -q -o - | $(BIN)/python -c '$(BRANCHES)'

## lint: style, types
lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

## audit: known vulnerabilities of the pinned dependencies, by pip-audit; needs a network. One that does not
## concern this package is passed over by --ignore-vuln ID, with the reason in a comment here
audit:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	rm -f build/audit/report.json
	build/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off \
	  --format json --output build/audit/report.json

## docs: the documentation's site, in docs/_build/html; a warning is an error
docs: .venv/installed-docs
	$(BIN)/sphinx-build -q -W --keep-going -n -c docs -d docs/_build/doctrees . docs/_build/html
	@echo "docs/_build/html/index.html"

## dist: the sdist, and the wheel made from it, in dist/, with their metadata checked
dist:
	$(PYTHON) -m venv build/release
	build/release/bin/python -m pip install --quiet --disable-pip-version-check build twine
	rm -rf dist
	build/release/bin/python -m build
	build/release/bin/twine check --strict dist/*

## try-dist: the demo from the wheel of `dist`, in an environment and a folder that have nothing else
try-dist:
	rm -rf build/wheel
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	mkdir build/wheel/empty
	cd build/wheel/empty && ../bin/haploscribe demo

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Haploscribe needs Python 3.11 or newer; run make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@ .venv/installed .venv/installed-docs

.venv/installed-docs: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@ .venv/installed

build/pipelines/installed: pipelines/requirements.txt
	$(PYTHON) -m venv --clear build/pipelines
	build/pipelines/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r pipelines/requirements.txt
	touch $@

clean:
	rm -rf .venv .snakemake build demo-results docs/_build .coverage .coverage.*
