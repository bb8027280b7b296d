# What one does here. `make help` lists it.

.DEFAULT_GOAL := help
.PHONY: help test lint deny fuzz bench bench-compare docker agents sdk admin outage limits-fleet soak chaos

CARGO ?= cargo
# Seconds for each fuzz target.
SECONDS_EACH ?= 30
IMAGE ?= ai-gateway

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

test: ## every test, with a Redis and a Postgres of its own (T="filter" for some)
	@bash scripts/test.sh $(T)

agents: ## real coding agents at the gateway (needs npm and Python; ARGS="--agent codex --upstream gemini")
	$(CARGO) build --locked
	@python3 tests/agents/run.py $(ARGS)

limits-fleet: ## eight release builds on one Redis at 1,000 requests a second, for a minute
	$(CARGO) build --release --locked -p ai-gateway --bin gateway
	GATEWAY_TEST_BINARY="$(abspath $(or $(CARGO_TARGET_DIR),target))/release/gateway" bash scripts/test.sh --run \
	  $(CARGO) test --locked --test it limits::fleet -- --ignored --nocapture

lint: ## formatting, and clippy with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny: ## licences, sources and advisories of the dependencies
	@bash scripts/deny.sh

fuzz: ## every fuzz target for SECONDS_EACH seconds
	@bash scripts/fuzz.sh $(SECONDS_EACH)

bench: ## authentication by number of keys, the start with a million, the parse by body size, translation by pair of dialects, routing by strategy, the record of a request, limits
	$(CARGO) bench --bench auth --bench keys --bench parse --bench translate --bench routing --bench usage --bench limits

bench-compare: ## the gateway beside bare Pingora and nginx (ARGS="--quick --markdown FILE --svg FILE --json FILE")
	$(CARGO) build --release --locked -p ai-gateway --bin gateway
	$(CARGO) build --release --locked -p compare --bins
	@"$${CARGO_TARGET_DIR:-target}/release/load" $(ARGS)

sdk: ## real client SDKs, each against each kind of provider (ARGS="--client openai --backend gemini")
	$(CARGO) build --locked -p ai-gateway --bin gateway
	@python3 tests/sdk/run.py $(ARGS)

admin: ## the admin interface by LiteLLM's client, by curl and by schemathesis, on SQLite and a Postgres (ARGS="--check schemathesis")
	$(CARGO) build --locked -p ai-gateway --bin gateway
	@bash scripts/test.sh --run python3 tests/admin/run.py $(ARGS)

outage: ## a store that is away for ten minutes at 500 requests a second, with the release binary
	$(CARGO) build --release --locked -p ai-gateway --bin gateway
	@OUTAGE_SECONDS=600 OUTAGE_RATE=500 GATEWAY_TEST_BINARY="$$PWD/$${CARGO_TARGET_DIR:-target}/release/gateway" \
		bash scripts/test.sh --no-capture -E 'test(all_of_them_land_afterwards)'

soak: ## ten minutes at 1,000 requests a second while a provider fails, with the release binary
	$(CARGO) build --release --locked -p ai-gateway --bin gateway
	@ENDURANCE_SECONDS=$${ENDURANCE_SECONDS:-600} GATEWAY_TEST_BINARY="$$PWD/$${CARGO_TARGET_DIR:-target}/release/gateway" \
		bash scripts/test.sh --run-ignored only --no-capture -E 'test(endurance::ten_minutes)'

chaos: ## the same while the store and Redis go and come back, keys come and go, and the configuration changes
	$(CARGO) build --release --locked -p ai-gateway --bin gateway
	@ENDURANCE_SECONDS=$${ENDURANCE_SECONDS:-600} GATEWAY_TEST_BINARY="$$PWD/$${CARGO_TARGET_DIR:-target}/release/gateway" \
		bash scripts/test.sh --run-ignored only --no-capture -E 'test(endurance::chaos)'

docker: ## the image
	docker build -t $(IMAGE) .
