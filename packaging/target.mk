# TARGET: what is built for another processor than this machine's, or for an older C library, and tested there.

STRIP   ?= strip
# The newest version of the C library that the finished files may need, as 2.28: RHEL 8's.
GLIBC   ?=
# What tools/check-libraries is told.
CHECKS   = $(GLIBC:%=--glibc %) $(SYSROOT:%=--root %)

ifneq ($(TARGET),)
export CARGO_BUILD_TARGET := $(TARGET)
CC := $(BUILT)/cc
export CARGO_TARGET_$(shell echo $(TARGET) | tr a-z- A-Z_)_LINKER := $(CC)
include $(BUILT)/target.mk
# Under qemu, unit tests that are not optimized take minutes each.
export CARGO_PROFILE_TEST_OPT_LEVEL ?= 1

# Looked at every time, because another SYSROOT may be asked for, and read anew where something has changed.
$(BUILT)/target.mk: FORCE
	@tools/install-deps target:$(TARGET)
	@mkdir -p $(@D)
	@tools/make-target $(TARGET) $(BUILT) $(SYSROOT) >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
endif

## test-cross   TARGET=aarch64-unknown-linux-gnu: unit tests, C programs and nginx on another processor, under qemu
# UNITS= and PROGRAMS= select by name. The C programs' runner is this machine's, and what it starts is TARGET's.
.PHONY: test-cross test-cross-nginx
RUNNER = env -u CARGO_BUILD_TARGET -u CC SSLCACHE_TARGET=$(TARGET) SSLCACHE_STAGE=$(STAGE) SSLCACHE_BSYMBOLIC=$(BSYMBOLIC)
test-cross:
	@[ -n "$(TARGET)" ] || { echo "test-cross: for which TARGET? For instance aarch64-unknown-linux-gnu" >&2 && exit 2; }
	@$(MAKE) --no-print-directory all bsymbolic
	$(CARGO) test --locked --lib --no-run
	$(RUNNER) $(CARGO) test --locked --test ctests --no-run
	tools/on-target "$(EMULATOR)" "$(SYSROOT)" $(CARGO) test --locked --lib -- $(UNITS)
	for program in $(or $(PROGRAMS),''); do \
	    tools/on-target "$(EMULATOR)" "$(SYSROOT)" $(RUNNER) $(CARGO) test --locked --test ctests -- "$$program" || exit; \
	done
	@$(MAKE) --no-print-directory test-cross-nginx

## test-aarch64 some of test-cross on aarch64; make test does it where qemu for that is installed
.PHONY: test-aarch64
test-aarch64:
	@$(MAKE) --no-print-directory test-cross TARGET=aarch64-unknown-linux-gnu UNITS='shm::shard shm::process::lock sys::' \
	    PROGRAMS='preloaded::system::add_ preloaded::system::workers_share'
ifeq ($(TARGET)$(shell uname -m),x86_64)
TESTS += $(if $(shell command -v qemu-aarch64-static && command -v aarch64-linux-gnu-gcc),test-aarch64)
endif

# The demo, with Debian's nginx for TARGET in a folder of its own.
test-cross-nginx: all
	@tools/unpack-release $(BUILT)/nginx $(DEBIAN) nginx libc6 libcrypt1 libgcc-s1 libpcre2-8-0 libssl3 zlib1g
	PATIENCE=600 PATH=$(BUILT)/nginx/usr/sbin:$$PATH tools/on-target "$(EMULATOR)" $(BUILT)/nginx tools/demo $(STAGE)
