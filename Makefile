# The commands of a release engineer and of CI. `make help` lists them.
unexport PYTHONDONTWRITEBYTECODE  # compiled modules halve what each short run costs
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Every target is a command; none makes a file of its name.
.PHONY: $(shell sed -nE 's/^([a-z0-9-]+):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))

TARGET = $(or $(GATE_TARGET),local)
PYTHON := .venv/bin/python
PYTEST := .venv/bin/python -m pytest
# Evaluated in recipes: kubectl, docker and the registry of the embedded cluster. Two steps, for an eval of a command
# that fails succeeds, and what follows would go to whatever cluster the shell's KUBECONFIG leads to.
CLUSTER_ENV = exports="$$($(PYTHON) -m infra.cluster env)"; eval "$$exports"
# $(call THEN_DOWN,COMMAND[,OPTIONS]): the embedded cluster is taken down after, also when the command failed.
THEN_DOWN = status=0; $(1) || status=$$?; $(PYTHON) -m infra.cluster down $(2); exit $$status

# A virtual environment beside ours: $(call ENVIRONMENT,FOLDER,LOCKS). uv finds in milliseconds that nothing changed.
ENVIRONMENT = test -x $(1)/bin/python || .venv/bin/uv venv -q --python $(PYTHON) $(1); \
  .venv/bin/uv pip sync -q --python $(1)/bin/python --require-hashes $(2)

help: ## Show this list
	@sed -nE 's/^\#\#@ (.*)/\n\1/p; s/^([a-z0-9-]+):.*\#\# (.*)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

setup: ## Install what everything needs: Debian packages, the Python environment
	@infra/setup.sh

verify: setup ## From nothing to an upgrade judged by every tier, with a report to look at (TARGET=NAME for your own cluster)
	@$(PYTHON) -m infra.verify --target $(TARGET)

##@ Tests of the project itself

test: test-hermetic test-e2e ## Hermetic tests, then the end-to-end ones

test-hermetic: setup lint ## Style, types, layers, and the tests that need no network and no cluster
	@$(PYTEST) tests -n 2 -q

test-e2e: cluster-up ## The path and the faults on the embedded cluster, which is taken down after
	@$(CLUSTER_ENV); $(call THEN_DOWN,$(PYTEST) e2e -q)

test-transformers: setup ## LLM_ENGINE=transformers with torch, in an environment of its own (2 GB to download, 4.8 GB on disk)
	@$(call ENVIRONMENT,.venv-transformers,requirements/dev.txt service_chat/requirements-transformers.txt)
	@.venv-transformers/bin/python -m pytest tests_transformers -q --timeout=900

lint: ## ruff, mypy, import-linter
	@.venv/bin/ruff check -q . && .venv/bin/ruff format -q --check .
	@.venv/bin/mypy .
	@.venv/bin/lint-imports --no-logo

tf-check-aws: setup ## Hold every aws_* block against the provider's published typings
	@$(PYTHON) -m infra.tf check-aws

tf-lint: tf-check-aws ## The same, tflint, and checkov in an environment of its own
	@$(PYTHON) -m infra.tf lint
	@$(call ENVIRONMENT,.venv-terraform-lint,requirements/terraform-lint.txt)
	@.venv-terraform-lint/bin/checkov --directory infra/terraform --framework terraform --compact --quiet --skip-download

##@ The embedded cluster

cluster-up: setup ## Start the embedded cluster
	@$(PYTHON) -m infra.cluster up

cluster-down: ## Stop it and leave nothing behind
	@$(PYTHON) -m infra.cluster down

images: setup ## Build and push the images to the embedded registry
	@$(CLUSTER_ENV); $(PYTHON) -m infra.images

##@ What the gate is held against, and what it costs

faults: cluster-up ## The whole fault matrix on the embedded cluster; writes notes/faults.md
	@$(CLUSTER_ENV); $(PYTHON) -m e2e.faults

healthy: cluster-up ## Fifty healthy rollouts, each judged: no false alarm; writes notes/healthy.md
	@$(CLUSTER_ENV); $(PYTHON) -m e2e.healthy

soak-show: cluster-up ## Soak a steady, a leaking and a slowing service for 20 minutes; writes notes/soak.md
	@$(CLUSTER_ENV); $(PYTHON) -m e2e.soaks

checklist: cluster-up ## The release checklist in its own words on the embedded cluster; writes notes/checklist-run.md
	@$(CLUSTER_ENV); $(call THEN_DOWN,$(PYTEST) e2e/test_checklist.py -m checklist -x -v)

rules: setup ## Take each rule of the diagnosis away and see that a test misses it; writes benchmarks/results/rules.md
	@$(PYTHON) -m benchmarks.rules

bench: setup ## Benchmarks, each beside what it is compared with
	@$(CLUSTER_ENV); for name in preflight port_forward; do $(PYTHON) -m benchmarks.$$name; done

option-b: setup ## Bring the model with the image, or at first start: what each costs, on the embedded cluster
	@$(CLUSTER_ENV); $(PYTHON) -m benchmarks.model_cache --write

scale: setup ## 500 nodes and 5,000 pods, 20 of them broken, on a control plane of its own; writes benchmarks/results
	@$(PYTHON) -m infra.cluster up --name scale --nodes simulated
	@$(call THEN_DOWN,$(PYTHON) -m benchmarks.scale,--name scale)

##@ Files that commands write

render: setup ## Render the manifests of every environment again
	@$(PYTHON) -m infra.tf render

criteria: setup ## Write the criteria table into README.md
	@$(PYTHON) -m gate criteria --into README.md

changelog: setup ## Mark the deploys of TARGET in CHANGELOG.md, from their records in deploys/
	@$(PYTHON) -m gate deploys --target $(TARGET) --into CHANGELOG.md

lock: ## Compile the requirement locks (hashes, no index address)
	@compile() { .venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-annotate --python-version 3.11 \
	    "$$1.in" -o "$$1.txt" "$${@:2}"; }; \
	for each in requirements/{gate,dev,npm,terraform-lint} {service_chat,infra/patient_api}/requirements; do compile $$each; done; \
	compile service_chat/requirements-transformers -c requirements/dev.txt \
	    --excludes service_chat/requirements-transformers-excludes.txt

##@ The release checklist (notes/checklist.md); TARGET=demo for EKS

VERSION = v2.0
DOWNLOAD_MODEL = true
CHAT_IMAGE =
LLM_MODE =
# As the service itself reads it: the environment before .env before the default.
LLM_ENGINE ?= $(or $(shell sed -n 's/^LLM_ENGINE=//p' .env 2>/dev/null),llama.cpp)
MODEL = $(if $(filter local,$(TARGET)),SmolLM2-135M-Instruct,Qwen3-4B-Thinking-2507)
REPORT =
WAY =
# On EKS kubectl, docker and KUBECONFIG are the user's own.
ON_TARGET = $(if $(filter local,$(TARGET)),$(CLUSTER_ENV),:)
INTO_REPORT = $(if $(REPORT),--report=$(REPORT))

install-chat-llm: setup ## Install what LLM_ENGINE needs here: llama.cpp, or torch and transformers (LLM_ENGINE=transformers)
ifeq ($(LLM_ENGINE),transformers)
	@$(call ENVIRONMENT,.venv-transformers,requirements/dev.txt service_chat/requirements-transformers.txt)
endif

download-llm-model: setup ## Fetch MODEL into ./models, checked against models.toml
	@$(PYTHON) -m service_chat.download --model $(MODEL) --into models

run-chat: install-chat-llm ## Run the service on port 8002 with the patient API beside it (settings: .env)
	@$(PYTHON) -m infra.patient_api & patients=$$!; trap 'kill $$patients 2>/dev/null || true' EXIT; \
	  LLM_ENGINE=$(LLM_ENGINE) $(if $(filter transformers,$(LLM_ENGINE)),.venv-transformers/bin/python,$(PYTHON)) -m service_chat

# A token in the environment becomes a build secret; by its name, so that it stands in no command line.
HUB_TOKEN_SECRET = $(if $(HUGGINGFACE_TOKEN),--secret id=huggingface_token$(,)env=HUGGINGFACE_TOKEN)
, := ,

build-chat: setup ## Build the chat image with MODEL baked in, or DOWNLOAD_MODEL=false (embedded: VERSION v1.0, v2.0 or v2.0-option-b)
ifeq ($(TARGET),local)
	@$(CLUSTER_ENV); $(PYTHON) -m infra.images --only carepath-chat-api:$(VERSION)
else
	DOCKER_BUILDKIT=1 docker build --build-arg DOWNLOAD_MODEL=$(DOWNLOAD_MODEL) --build-arg MODEL=$(MODEL) \
	  $(HUB_TOKEN_SECRET) -t carepath-chat-api:$(VERSION) -f service_chat/Dockerfile service_chat
endif

ecr-login: setup ## Log docker in to the registry of TARGET
	@$(ON_TARGET); $(PYTHON) -m infra.ecr login --target $(TARGET)

push-chat: setup ## Push the chat image; ends in the digest to deploy
ifeq ($(TARGET),local)
	@$(CLUSTER_ENV); $(PYTHON) -m infra.images --only carepath-chat-api:$(VERSION)
else
	@$(PYTHON) -m infra.ecr push carepath-chat-api:$(VERSION) --target $(TARGET)
endif

tf-init: setup ## Install Terraform's providers and modules
	@$(ON_TARGET); $(PYTHON) -m infra.tf init --env $(TARGET)

tf-plan: setup ## Save a plan and review it (CHAT_IMAGE=..., LLM_MODE=... instead of terraform.tfvars)
	@$(ON_TARGET); $(PYTHON) -m infra.tf plan --env $(TARGET) \
	  $(if $(CHAT_IMAGE),--chat-image $(CHAT_IMAGE)) $(if $(LLM_MODE),--llm-mode $(LLM_MODE))

tf-apply: setup ## Apply the saved plan and no other
	@$(ON_TARGET); $(PYTHON) -m infra.tf apply --env $(TARGET)

deploy-chat: setup ## Apply the saved plan while requests keep coming, and judge the rollout
	@$(ON_TARGET); $(PYTHON) -m gate rollout --target $(TARGET) $(INTO_REPORT) -- $(PYTHON) -m infra.tf apply --env $(TARGET)

validate-chat: setup ## Judge what runs: the acceptance tier
	@$(ON_TARGET); $(PYTEST) -q -m acceptance --target=$(TARGET) $(INTO_REPORT)

rollback-drill: setup ## All three ways back, each gone, judged and undone: before they are needed (WAY=undo for one)
	@$(ON_TARGET); $(PYTEST) -q -m rollback --allow-mutation --target=$(TARGET) $(if $(WAY),--way=$(WAY)) $(INTO_REPORT)

load-chat: setup ## Ten clients at once: the load drill
	@$(ON_TARGET); $(PYTEST) -q -m load --allow-mutation --target=$(TARGET) $(INTO_REPORT)
