# Measuring: libssl's own session cache and sslcache, side by side. benches/README.md says how.

BENCH := $(CARGO_TARGET_DIR)/bench
BENCH_SOURCES := $(wildcard benches/capi/*.c)
# Another libssl.so to measure on; `make bench-hosts` builds some.
HOST ?=
# A regular expression: the measurements wanted; nothing is written then.
ONLY ?=
# Seconds that `make bench` may take, give or take a round.
BENCH_SECONDS ?= 500

BENCH_CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Werror -DOPENSSL_SUPPRESS_DEPRECATED \
                $(if $(shell grep 'uint64_t memory;' include/sslcache.h),-DSSLCACHE_STATS_MEMORY)
COMPARE = python3 -B benches/compare --program $(BENCH)/session-bench --preload $(PRELOAD)

.PHONY: bench resumption bench-smoke bench-hosts bench-region bench-region-smoke hit-ratio hit-ratio-smoke
TESTS += bench-smoke bench-region-smoke hit-ratio-smoke
# For shellcheck.
SCRIPTS += benches/make-hosts

$(BENCH)/session-bench: $(BENCH_SOURCES) $(wildcard benches/capi/*.h) include/sslcache.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(BENCH_SOURCES) -lssl -lcrypto -ldl -pthread

# sslcache does not take a libssl.so.4 over: there its cache, and a program of its own, is compared with sslcache on the
# system's libssl.
host_dir   = $(patsubst %/,%,$(dir $(HOST)))
is_newer   = $(filter libssl.so.4%,$(notdir $(HOST)))
host_flags = $(if $(HOST),$(if $(is_newer),--plain-program $(BENCH)/session-bench-4 --plain-libraries,--libraries) $(host_dir))

## bench        libssl's own cache and sslcache compared, in under ten minutes: HOST=/path/libssl.so.3 ONLY=regex
bench: all $(BENCH)/session-bench
	@$(if $(is_newer),$(CC) $(BENCH_CFLAGS) -I$(host_dir)/../include -o $(BENCH)/session-bench-4 $(BENCH_SOURCES) \
	    $(HOST) $(host_dir)/libcrypto.so.4 -ldl -pthread)
	@$(COMPARE) $(host_flags) --budget $(BENCH_SECONDS) --only '$(ONLY)' --results bench/results.json --docs docs
	@$(if $(ONLY),,$(MAKE) --no-print-directory bench-region)

## bench-region what the shared region costs: one process, eight, bytes a session
bench-region:
	@$(CARGO) bench --locked --bench region

bench-region-smoke:
	@$(CARGO) bench --locked --profile dev --bench region -- --smoke >/dev/null

## resumption   how many of nginx's clients are resumed, by the number of its workers: draws the README's plot
resumption:
	@tools/install-deps build demo
	@$(MAKE) --no-print-directory all
	@python3 -B benches/resumption.py $(STAGE) bench/resumption.json docs

## bench-smoke  every measurement for a moment: whether it works
bench-smoke: $(PRELOAD) $(BENCH)/session-bench
	@$(COMPARE) --smoke

## bench-hosts  builds other releases of OpenSSL to measure on, outside the tree, and says where they are
bench-hosts:
	@benches/make-hosts

HIT_RATIO = $(CARGO) bench --locked --bench hit_ratio

## hit-ratio    who finds a session again, with this cache and with others: a simulation, in about a minute
hit-ratio:
	@mkdir -p bench
	@$(HIT_RATIO) -- --json $(CURDIR)/bench/hit-ratio.json
	@python3 -B benches/hit_ratio/draw.py bench/hit-ratio.json docs

hit-ratio-smoke:
	@$(HIT_RATIO) --profile dev -- --smoke >/dev/null
