# make demo         train, export and use a small net on real digits
# make test         the tests
# make test-all     the tests, the slow ones too; those of numbers with oneDNN switched off, and on
# make parity       the tests against PyTorch, which it installs first
# make lint         the rules of ruff, and its format
# make types        the annotations of keras_resnets
# make constraints  installs the newest versions of all packages, and writes them into constraints.txt
# Each makes the virtual environment .venv first, when it is missing, or when its packages have changed.

PYTHON ?= python3
BIN := .venv/bin
DEMO := out/demo
PYTEST := $(BIN)/python -m pytest -n 2
SLOW := -o faulthandler_timeout=1800

.PHONY: constraints demo lint parity test test-all types

.venv/installed: setup.cfg constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

constraints:
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --editable '.[test]'
	$(BIN)/pip freeze --exclude keras-resnets > constraints.txt
	touch .venv/installed

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/installed
	$(BIN)/mypy

demo: $(DEMO)/export.txt $(DEMO)/images/9/0.png
	@echo
	@echo "Ten test images, as the export sees them in a new process:"
	@$(BIN)/python -m trainers.predict --export=$$(cat $(DEMO)/export.txt) --folder_is_label $(DEMO)/images
	@echo
	@echo "The learning curve is $(DEMO)/run/learning_curve.png, the export is $$(cat $(DEMO)/export.txt)."

$(DEMO)/run/results.json: | .venv/installed
	$(BIN)/python -m trainers.classification --model=cifar_resnet20 --dataset=digits --model_dir=$(DEMO)/run

$(DEMO)/export.txt: $(DEMO)/run/results.json
	$(BIN)/python -m trainers.export --model_dir=$(DEMO)/run > $@.partial
	mv $@.partial $@

$(DEMO)/images/9/0.png: | .venv/installed
	$(BIN)/python -m trainers.sample_images --output=$(DEMO)/images

test: .venv/installed
	$(PYTEST) -m "not slow"

test-all: .venv/installed
	status=0; \
	$(PYTEST) $(SLOW) -m "not numerics" || status=1; \
	for onednn in 0 1; do TF_ENABLE_ONEDNN_OPTS=$$onednn $(PYTEST) $(SLOW) -m numerics || status=1; done; \
	exit $$status

parity: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test,parity]'
	$(PYTEST) $(SLOW) tests/parity
