# Every target is a command of xtask; see `cargo xtask`.
.PHONY: test clients heavy torture bad-builds mutants fuzz bench bench-screens bench-ingest

test clients heavy torture bad-builds mutants fuzz bench bench-screens bench-ingest:
	cargo xtask $@
