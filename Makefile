# What there is to do here: `make help`. Everything runs from a fresh clone; scripts/setup.sh installs what is missing.

# What `make run` passes to `torpor serve`: make run ARGS='--port 9000'
ARGS ?=
# The time budget of each campaign of `make verify`, in seconds.
VERIFY_SECONDS ?= 600
# The time that all targets of `make fuzz` share, in seconds.
FUZZ_SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help run build test check bench fuzz verify format clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: build ## Build for release and serve the workbench at http://127.0.0.1:8080/mcp; ARGS go to torpor serve
	@exec .build/release/torpor serve $(ARGS)

build: ## Build the program for release
	@scripts/setup.sh
	swift build -c release --static-swift-stdlib --product torpor

test: ## Run all tests: Swift, client libraries, crashes, attacks, protocol coverage
	@scripts/setup.sh test
	@scripts/test.sh

check: ## Check format, lint, scripts and documents
	@scripts/setup.sh test
	@scripts/check.sh

bench: ## Run all benchmarks and write the tables to Benchmarks/results/
	@scripts/setup.sh
	@scripts/bench.sh

fuzz: ## Fuzz every target, FUZZ_SECONDS in all, and print a table
	@scripts/setup.sh
	@scripts/fuzz.sh all $(FUZZ_SECONDS)

verify: ## Run the long campaigns, VERIFY_SECONDS each: fuzzing, simulation, a million calls, a million sessions, crashes, attacks, hosting
	@scripts/setup.sh test
	@scripts/verify.sh $(VERIFY_SECONDS)

format: ## Format all Swift sources in place
	swift format format --in-place --recursive --parallel $(wildcard Sources Tests Examples Benchmarks Fuzzing) Package.swift

clean: ## Delete everything that was built or installed in this folder
	rm -rf .build .build-fuzz .venvs
