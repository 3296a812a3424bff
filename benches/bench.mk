# Measuring: libssl's own session cache and sslcache, side by side. benches/README.md says how.

BENCH := $(CARGO_TARGET_DIR)/bench
BENCH_SOURCES := $(wildcard benches/capi/*.c)
# Another libssl.so to measure on; `make bench-hosts` builds some.
HOST =
# A regular expression: the measurements wanted; nothing is written then.
ONLY ?=
# Seconds that `make bench` may take, give or take a round.
BENCH_SECONDS ?= 500

BENCH_CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Werror -DOPENSSL_SUPPRESS_DEPRECATED \
                $(if $(shell grep 'uint64_t memory;' include/sslcache.h),-DSSLCACHE_STATS_MEMORY)
# One for each kind of libssl: 4.0 has other headers, and a libssl.so.4.
host_dir = $(patsubst %/,%,$(dir $(HOST)))
PROGRAM := $(BENCH)/session-bench$(if $(filter libssl.so.4,$(call soname,$(HOST))),-4)
COMPARE  = python3 -B benches/compare --program $(PROGRAM) --preload $(PRELOAD) $(if $(HOST),--libraries $(host_dir))

.PHONY: bench resumption bench-smoke bench-hosts bench-region bench-region-smoke bench-fleet dashboard hit-ratio hit-ratio-smoke
SCRIPTS += benches/handshake-cpu
TESTS += bench-smoke bench-region-smoke hit-ratio-smoke

$(BENCH)/session-bench: $(BENCH_SOURCES) $(wildcard benches/capi/*.h) include/sslcache.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(BENCH_SOURCES) -lssl -lcrypto -ldl -pthread

$(BENCH)/session-bench-4: $(BENCH_SOURCES) $(wildcard benches/capi/*.h) include/sslcache.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -I$(host_dir)/../include -o $@ $(BENCH_SOURCES) $(HOST) $(host_dir)/libcrypto.so.4 -ldl -pthread

## bench        libssl's own cache and sslcache compared, in under ten minutes: HOST=/path/libssl.so.4 ONLY=regex
bench: all $(PROGRAM)
	@$(COMPARE) --budget $(BENCH_SECONDS) --only '$(ONLY)' --results benches/results/caches.json --docs docs
	@$(if $(ONLY),,$(MAKE) --no-print-directory bench-region)

## bench-region what the shared region costs: one process, eight, bytes a session
bench-region:
	@$(CARGO) bench --locked --bench region

bench-region-smoke:
	@$(CARGO) bench --locked --profile dev --bench region -- --smoke >/dev/null

## bench-fleet  what sessions of other hosts cost, with four agents and a Redis: look-ups, puts, early data, what does not answer
bench-fleet:
	@tools/install-deps build fleet
	@$(MAKE) --no-print-directory all
	@SSLCACHE_STAGE=$(STAGE) $(CARGO) bench --locked --bench fleet

## resumption   how many of nginx's clients are resumed, by the number of its workers: draws the plot of docs/how-it-works.md
resumption:
	@tools/install-deps build demo
	@$(MAKE) --no-print-directory all
	@python3 -B benches/resumption.py $(STAGE) benches/results/resumption.json docs

## dashboard    the panels of docs/grafana-dashboard.json, from a real Prometheus that watches nginx: draws docs/grafana.svg
dashboard:
	@tools/install-deps build dashboard
	@$(MAKE) --no-print-directory all
	@python3 -B benches/dashboard.py $(STAGE) docs

## bench-smoke  every measurement for a moment, to see that it works
bench-smoke: $(PRELOAD) $(PROGRAM)
	@$(COMPARE) --smoke

## bench-hosts  builds other releases of OpenSSL to measure on, outside the tree, and says where they are
bench-hosts:
	@tools/make-hosts

HIT_RATIO = $(CARGO) bench --locked --bench hit_ratio

## hit-ratio    which clients find their session again, by this cache and by others: a simulation of about a minute
hit-ratio:
	@$(HIT_RATIO) -- --json $(CURDIR)/benches/results/hit-ratio.json
	@python3 -B benches/hit_ratio/draw.py benches/results/hit-ratio.json docs

hit-ratio-smoke:
	@$(HIT_RATIO) --profile dev -- --smoke >/dev/null
