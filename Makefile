# Every target is a command of xtask; see `cargo xtask`.
.PHONY: test clients heavy torture bad-builds mutants fuzz bench

test clients heavy torture bad-builds mutants fuzz bench:
	cargo xtask $@
