# `make test` installs what it needs and runs every test; `make demo` boots a real guest.
CARGO ?= cargo

.PHONY: all test tidy build needs

all: build

build:
	$(CARGO) build --workspace

needs:
	@packaging/install-needs.sh

tidy:
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

test: needs
	$(CARGO) test --workspace
