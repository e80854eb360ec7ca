# make env    the environment in .venv (installed once; again when the files it depends on change)
# make demo   ethanol from a bare molecule to a running potential, in about five minutes
# make test   all fast tests
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# two workers of one thread each: the tests are many and small
TEST_FLAGS ?= -n 2

.PHONY: env demo test test-slow bench docs lint clean

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/cambrian/native/*.cpp src/cambrian/native/*.h src/cambrian/native/*.hpp)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $(STAMP)

demo: env
	$(BIN)/python examples/demo.py

test: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow and not gpu" $(TEST_FLAGS)

test-slow: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "slow and not gpu" $(TEST_FLAGS)

bench: env
	$(BIN)/python benchmarks/run.py

docs: env
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/python -m mkdocs build --strict

lint: env
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[lint]'
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf .venv build demo site
