# What takes long. Everything else is plain cargo.

.PHONY: heavy mutants

# A million lives for every law of core; DWELL_SEED=2 draws others.
heavy:
	DWELL_CASES=1000000 cargo test --release -p dwell-core --test laws

# cargo install cargo-mutants --locked
mutants:
	DWELL_SHRINK=0 RUST_BACKTRACE=0 CARGO_PROFILE_TEST_OPT_LEVEL=0 CARGO_PROFILE_TEST_DEBUG=0 CARGO_PROFILE_DEV_DEBUG=0 \
	cargo mutants -p dwell-core --timeout 120 --jobs 2 --output target/mutants -- --test diaries --test facts --test laws
