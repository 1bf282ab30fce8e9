# `make demo` boots a real guest; `make test` runs every test. Both install what they need.
CARGO ?= cargo

.PHONY: build test tidy needs demo demo-stop corpus deb

build:
	$(CARGO) build --workspace

needs:
	@packaging/install-needs.sh

tidy:
	$(CARGO) fmt --all -- --check
	$(CARGO) xtask tidy
	$(CARGO) clippy --quiet --workspace --all-targets -- -D warnings

corpus: build
	$(CARGO) xtask corpus

test: needs tidy build
	$(CARGO) test --quiet --workspace
	suites/net/run.sh
	$(CARGO) xtask corpus

deb:
	$(CARGO) build --release --package ostler --package ostler-daemon --package ostler-launcher
	@packaging/make-deb.sh

demo:
	@packaging/demo.sh

demo-stop:
	@packaging/demo.sh stop
