# Everything runs in .venv, made on first use. Another Python: make PYTHON=python3.12 run
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
# BERT-base at 512 tokens needs a GPU; this plan takes two cores half an hour.
IMDB_PLAN ?= ablations-imdb-cpu.yaml
IMDB_SOURCE ?= stanfordnlp/imdb --revision e6281661ce1c48d982bc483cf8a173c1bbeb5d31
export TEXT
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run ablations report imdb predict serve test test-long test-remotes test-ray lint show plots watch pictures gpu-check clean clean-checkpoints

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26
	@echo; echo "  dvc exp run -S KEY=VALUE   an experiment; 'Could not override KEY' means that params.yaml has no such key"

run: $(READY) ## the whole pipeline: prepare, split, train, eval
	dvc repro
	@echo && python -m sentiment show

ablations: $(READY) ## the experiments of ablations.yaml: queued, watched, made once each
	python -m ablations run

report: $(READY) ## compare them: reports/ablations/report.html
	python -m ablations report

imdb: $(READY) data/imdb.dvc ## IMDB: fetch it, run three arms and compare them (IMDB_PLAN=ablations-imdb.yaml: BERT-base)
	python -m ablations run --plan $(IMDB_PLAN)
	python -m ablations report --plan $(IMDB_PLAN)

data/imdb.dvc: | $(READY)
	python -m sentiment fetch $(IMDB_SOURCE) --name imdb
	git add data/imdb.dvc data/.gitignore

predict: $(READY) ## classify a text: make predict TEXT="A great film."
	@python -m sentiment predict -- "$$TEXT"

serve: $(READY) ## the trained model as a web service with a page: http://127.0.0.1:8000 (Ctrl-C ends it)
	@python -m sentiment serve

show: $(READY) ## a short table of the experiments
	@python -m sentiment show

plots: $(READY) ## curves of this run as one page that needs no network
	dvc plots show

watch: $(READY) ## SwanLab's curves in the browser (Ctrl-C ends it)
	@python -m sentiment watch

pictures: $(READY) ## the README's pictures anew (needs Chromium and the experiments of make ablations)
	python -m tools.pictures

gpu-check: $(READY) ## what has to be known of the GPU here: speed, where the time goes, determinism, the stages
	python -m benchmarks.gpu

test: $(READY_DEV) ## all tests but the long ones, on all cores
	python -m pytest -n auto --maxprocesses 8 --dist worksteal

test-long: $(READY_DEV) ## the long tests: every family of encoders (docs/encoders.md)
	python -m pytest -m long

test-remotes: ## test sharing against a local S3 server (moto); installs it in .cache/remotes, takes minutes
	tools/test_remotes.sh

test-ray: $(READY_DEV) ## install Ray, and run the tests of studies on it (docs/scale.md): workers, nodes and drivers are killed
	python -m pip install --disable-pip-version-check -r requirements-ray.txt -c constraints.txt
	python -m pytest tests/ablations/test_ray.py

lint: $(READY_DEV) ## ruff and mypy, and zizmor for the workflows
	ruff check . && ruff format --check . && mypy && zizmor --offline --quiet .github

clean: ## remove what can be made again, but not the data, the results, interrupted trainings and the environment
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache dvc_plots .cache .diverged
	@if [ -d .checkpoints ]; then python -m sentiment clean || echo ".checkpoints is kept"; fi
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

clean-checkpoints: $(READY) ## remove all checkpoints, interrupted trainings too, and say how much is lost
	@python -m sentiment clean --unfinished

$(READY): requirements.txt constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

$(READY_DEV): $(READY) requirements-dev.txt requirements-onnx.txt
	$(VENV)/bin/python -m pip install --disable-pip-version-check -r requirements-dev.txt -r requirements-onnx.txt -c constraints.txt
	@touch $@
