# Every target is a command of xtask; see `cargo xtask`.
.PHONY: test heavy torture bad-builds mutants fuzz bench

test heavy torture bad-builds mutants fuzz bench:
	cargo xtask $@
