# Every target is a command of xtask; see `cargo xtask`.
.PHONY: test heavy mutants fuzz bench

test heavy mutants fuzz bench:
	cargo xtask $@
