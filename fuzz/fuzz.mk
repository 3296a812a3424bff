# The fuzzers, which need a nightly compiler but for fuzz-smoke.
.PHONY: fuzz fuzz-smoke
TESTS += fuzz-smoke

TIME ?= 60

## fuzz         each fuzzer for TIME=60 seconds; FUZZ="region calls" names some of them
fuzz:
	@tools/fuzz $(CARGO_TARGET_DIR) $(TIME) $(FUZZ)

## fuzz-smoke   each fuzzer for a second, without libFuzzer; FUZZ= likewise
fuzz-smoke:
	@CARGO='$(CARGO)' tools/fuzz-smoke $(CARGO_TARGET_DIR) $(FUZZ)
