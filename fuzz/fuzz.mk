# The fuzzers, which need a nightly compiler.
.PHONY: fuzz fuzz-smoke

TIME ?= 60

## fuzz         each fuzzer for TIME=60 seconds; FUZZ="region calls" names some of them
fuzz:
	@tools/fuzz $(CARGO_TARGET_DIR) $(TIME) $(FUZZ)

## fuzz-smoke   each fuzzer for a moment
fuzz-smoke:
	@tools/fuzz $(CARGO_TARGET_DIR) 3
