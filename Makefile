# Two commands for a new machine: `make study` and `make test`. Everything is installed into .venv.
# `make test-browser` checks the report in a browser, which is the only thing that is installed elsewhere; `make chaos`
# disturbs running studies at length.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)

.PHONY: setup study test test-browser chaos lint clean

setup: $(INSTALLED)

# uv resolves torch and torchvision to builds that fit each other; bytecode is compiled once here
# because every Ray process would otherwise compile it again at its first import.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --group dev --editable .
	$(BIN)/python -c "import torchvision; torchvision.ops.nms"
	touch $@

study: setup
	$(BIN)/python -m study.run hwf_grid

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest

# The report in Debian's Chromium, which is installed if it is not there (as root, or by sudo).
test-browser: setup
	command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
		$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium chromium-driver; }
	$(BIN)/python -m pytest -m browser --numprocesses=0 tests/browser

# Faults of all kinds, in half an hour. As root: some need network namespaces, and fail without.
chaos: setup
	$(BIN)/python benchmarks/chaos results/chaos/$$(date +%Y%m%d-%H%M%S)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
