//! Benchmarks; everything is in `benches/`. `cargo bench --manifest-path suites/bench/Cargo.toml`
