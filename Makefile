# sslcache: the libraries, their header, the tool, the tests. `make help` lists what there is to make.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR     ?= $(PREFIX)/bin
DATADIR    ?= $(PREFIX)/share
MANDIR     ?= $(DATADIR)/man
DESTDIR    ?=

CARGO   ?= cargo
CC      ?= cc
INSTALL ?= install
# A host libssl other than the one that programs here load: a libssl.so.3, libssl.so.4 or libssl.so.1.1, or a folder with one.
HOST_LIBSSL ?=
# Another processor or C library, by rustc's name, and a folder with the system that is built for: packaging/target.mk.
TARGET  ?=
SYSROOT ?=

export CARGO_TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
# Where cargo and make build for TARGET.
BUILT := $(CARGO_TARGET_DIR)$(TARGET:%=/%)
include packaging/target.mk
export CC

# All that gets installed, in its installed layout: tests and the demo run from here.
STAGE := $(BUILT)/stage
# What stands in front of the host has its name, and where that is made.
soname = $(if $1,$(shell readelf -d $1 2>/dev/null | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p'))
FRONT := $(or $(call soname,$(shell CC='$(CC)' tools/find-host $(HOST_LIBSSL) 2>/dev/null)),libssl.so.3)
OUT   := $(STAGE)/lib/sslcache
# The tests' second host and the library in front of it: libssl.so.3 and sslcache/.
BSYMBOLIC := $(BUILT)/bsymbolic
# Their other hosts, by releases of OpenSSL: each is host/include and host/lib, and sslcache/ in front of it. Those of the
# second list take minutes to build the first time: only test-hosts builds them, and test takes them along once they are there.
RELEASES := openssl4 openssl111
FURTHER_RELEASES := openssl35 openssl36 openssl111k
FURTHER_MADE = $(notdir $(wildcard $(addprefix $(BUILT)/,$(FURTHER_RELEASES))))

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
ARCHIVE := $(BUILT)/release/libsslcache.a
PRELOAD := $(STAGE)/lib/libsslcache.so.$(VERSION)
SOURCES := $(shell find src -name '*.rs') Cargo.toml Cargo.lock build.rs cbindgen.toml exports.map \
           $(wildcard include/sslcache.h)
MANUALS := $(wildcard man/*.[1-9])
MAN_FILES = $(foreach m,$(MANUALS),$(MANDIR)/man$(subst .,,$(suffix $m))/$(notdir $m))
SCRIPTS := $(wildcard tools/*) .ci/run
# Looked for once, and only by the targets that need it: make tells $(shell) nothing of what is exported. Where it is run,
# there is no SYSROOT before its path.
host     = $(eval host := $$(shell CC='$$(CC)' tools/find-host $$(HOST_LIBSSL)))$(host)
named    = $(patsubst $(SYSROOT)/%,/%,$(host))

# Paths of this machine stay out of the finished files. Where the sources of the standard library are installed (rustup's
# rust-src), rustc names them by where they are, a link resolved; elsewhere, on every machine, by std_name.
RUSTC   ?= rustc
rustc    = $(shell $(RUSTC) $(filter +%,$(CARGO)) $1)
std      = $(call rustc,--print sysroot)/lib/rustlib/src/rust
std_name = /rustc/$(lastword $(call rustc,-vV | grep ^commit-hash))
REMAP    = $(foreach from,$(CURDIR) $(or $(CARGO_HOME),$(HOME)/.cargo),--remap-path-prefix=$(from)/=) \
           $(foreach from,$(sort $(wildcard $(std)) $(realpath $(std))),--remap-path-prefix=$(from)=$(std_name))

# rustc cannot link these files: it ignores a second version script, or fails, depending on its linker.
# -z defs without -lssl: a reference to libssl is a link error, because it would stop programs that run without libssl.
LINK := $(CC) -shared $(LDFLAGS) -Wl,-z,defs,-z,now,-z,relro,-z,nodelete,-z,noexecstack,-z,text \
        -Wl,--no-undefined-version,--gc-sections,--build-id=sha1,--strip-all
LIBS  = -Wl,--whole-archive $(ARCHIVE) -Wl,--no-whole-archive,--as-needed -lgcc_s -lutil -lrt -lpthread -lm -ldl
# With GLIBC=, linked once more, without what that C library lacks and Rust's standard library does without.
without_newer = $(if $(GLIBC),$(LINK) $$(tools/check-glibc --weak $(GLIBC) $@) $(linked))

# The tool, and what it writes itself: manual pages and completions, by their places below share/.
TOOL        := $(STAGE)/bin/sslcache
TOOL_PAGES  := $(addsuffix .1,sslcache $(addprefix sslcache-,run doctor test stat top exporter agent agent-key agent-key-new agent-key-rotate agent-flush agent-status flush keys bench enable disable))
COMPLETIONS := bash-completion/completions/sslcache zsh/site-functions/_sslcache fish/vendor_completions.d/sslcache.fish
GENERATED   := $(addprefix $(STAGE)/share/,$(addprefix man/man1/,$(TOOL_PAGES)) $(COMPLETIONS))
build_tool  = RUSTFLAGS="$$RUSTFLAGS $(REMAP)" $(CARGO) $1 --locked --profile tool --features cli,agent --bin sslcache
# Tells the tool the folder of the libraries where that is not ../lib of where it is. It reads this when it runs: one that
# was built for a folder would be built anew for each.
LIBDIR_TOLD := $(abspath $(BINDIR)/../share)/sslcache/libdir

STAGED := $(TOOL) $(GENERATED) $(addprefix $(STAGE)/lib/,libsslcache.so libsslcache.so.0 pkgconfig/sslcache.pc) $(PRELOAD) \
          $(STAGE)/include/sslcache.h $(MAN_FILES:$(MANDIR)/%=$(STAGE)/share/man/%)

.PHONY: all replacement bsymbolic $(RELEASES) $(FURTHER_RELEASES) test-forms test-hosts test-faults miri soak header check lint check-rust check-man test-fleet test demo demo-fleet compatibility-table install uninstall clean help FORCE

## all          the libraries, checked, and the tool, in target/stage (the default)
all: $(STAGED) replacement

## replacement  only the libssl in front: HOST_LIBSSL=/path/libssl.so.4 names another host, OUT=folder another place
replacement: $(addprefix $(OUT)/,$(FRONT) libssl.so libssl-link.so)

$(ARCHIVE): $(SOURCES) Makefile
	RUSTFLAGS="$$RUSTFLAGS $(REMAP)" $(CARGO) rustc --locked --release --lib --crate-type staticlib
	@touch $@

$(PRELOAD): linked = -Wl,-soname,libsslcache.so.0,--version-script,exports.map -o $@ $(@D)/.aliases.ld $(LIBS)
$(PRELOAD): $(ARCHIVE) exports.map tools/aliases tools/check-libraries tools/check-glibc tools/check-paths
	@mkdir -p $(@D)
	@tools/aliases exports.map >$(@D)/.aliases.ld
	$(LINK) $(linked)
	$(without_newer)
	@rm $(@D)/.aliases.ld
	@tools/check-libraries $(CHECKS) exports.map $@

$(STAGE)/lib/libsslcache.so $(STAGE)/lib/libsslcache.so.0: $(PRELOAD)
	ln -sf $(<F) $@

$(TOOL): $(SOURCES) $(wildcard packaging/systemd/*.conf src/bin/sslcache/*/*.conf) Makefile
	@mkdir -p $(@D)
	$(call build_tool,build)
	$(if $(GLIBC),$(call build_tool,rustc) -- $$(tools/check-glibc --weak $(GLIBC) $(BUILT)/tool/sslcache | sed 's/^/-C link-arg=/') && \
	    tools/check-glibc $(GLIBC) $(BUILT)/tool/sslcache)
	@tools/check-paths $(BUILT)/tool/sslcache
	cp $(BUILT)/tool/sslcache $@

# One run writes them all: those of the first, and the others are there then.
$(firstword $(GENERATED)): $(TOOL)
	$(RUN) $(TOOL) generate $(STAGE)/share
	@touch $(GENERATED)
$(wordlist 2,$(words $(GENERATED)),$(GENERATED)): $(firstword $(GENERATED)) ;

# Made every time, because the host may have been updated, but replaced only by another.
$(OUT)/.libssl.map: FORCE
	@mkdir -p $(@D)
	@tools/version-map $(or $(host),$(error no host libssl)) exports.map >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# The stub makes the linker write the host's path into DT_NEEDED: it copies the SONAME of what it links.
$(OUT)/$(FRONT): linked = -Wl,-soname,$(FRONT),--version-script,$(@D)/.libssl.map -o $@ -Wl,--no-as-needed $(@D)/.host.so $(LIBS)
$(OUT)/$(FRONT): $(ARCHIVE) $(OUT)/.libssl.map tools/check-libraries tools/check-glibc tools/check-paths
	@$(CC) -shared -nostdlib -Wl,-soname,$(named) -o $(@D)/.host.so -x c /dev/null
	$(LINK) $(linked)
	$(without_newer)
	@rm $(@D)/.host.so
	@tools/check-libraries $(CHECKS) exports.map $@ $(host)

# The names of the host and ours, for linkers only: packaging/libssl.so says why.
$(OUT)/libssl-link.so: $(OUT)/.libssl.map exports.map tools/version-map
	@tools/version-map --all $(host) exports.map >$(@D)/.link.map
	sed -n 's/^ *\([A-Za-z_0-9]*\);/void \1(void) { __builtin_trap(); }/p' $(@D)/.link.map | $(CC) -shared -nostdlib -w \
	    -ffreestanding -fPIC -Wl,-soname,$(FRONT),--version-script,$(@D)/.link.map,--strip-all -o $@ -x c -
	@rm $(@D)/.link.map

$(OUT)/libssl.so: packaging/libssl.so | $(OUT)/libssl-link.so
	cp $< $@

pkgconfig = sed -e 's|@PREFIX@|$1|' -e 's|@LIBDIR@|$2|' -e 's|@INCLUDEDIR@|$3|' -e 's|@VERSION@|$(VERSION)|' \
                packaging/sslcache.pc.in

$(STAGE)/lib/pkgconfig/sslcache.pc: packaging/sslcache.pc.in Cargo.toml
	@mkdir -p $(@D)
	$(call pkgconfig,$(STAGE),$(STAGE)/lib,$(STAGE)/include) >$@

# The build of the archive has compared it with the sources.
$(STAGE)/include/sslcache.h: include/sslcache.h $(ARCHIVE)
	@mkdir -p $(@D)
	cp $< $@

## bsymbolic    for the tests: a host that calls its cache directly, and the libssl.so.3 in front of it
bsymbolic: $(BSYMBOLIC)/libssl.so.3 $(ARCHIVE)
	@$(MAKE) --no-print-directory replacement HOST_LIBSSL=$< OUT=$(BSYMBOLIC)/sslcache

$(BSYMBOLIC)/libssl.so.3: tools/make-bsymbolic-host $(OUT)/.libssl.map
	HOST_LIBSSL=$(if $(filter libssl.so.3,$(FRONT)),$(HOST_LIBSSL)) tools/make-bsymbolic-host $(@D)

## openssl4     for the tests: OpenSSL 4.0, built once and kept in ~/.cache/sslcache, and the libssl.so.4 in front of it
## openssl111   likewise OpenSSL 1.1.1, and the libssl.so.1.1 in front of it
## openssl35 openssl36 openssl111k  likewise OpenSSL 3.5, 3.6 and 1.1.1k, for test-hosts
openssl4: release = 4.0
openssl4: soname_of_release = libssl.so.4
openssl111: release = 1.1.1
openssl111: soname_of_release = libssl.so.1.1
openssl35: release = 3.5
openssl36: release = 3.6
openssl35 openssl36: soname_of_release = libssl.so.3
openssl111k: release = 1.1.1k
openssl111k: soname_of_release = libssl.so.1.1
$(RELEASES) $(FURTHER_RELEASES): folder = $(BUILT)/$@
$(RELEASES) $(FURTHER_RELEASES): $(ARCHIVE)
	@rm -rf $(folder)
	@mkdir -p $(folder)
	@host=$$(tools/make-hosts $(release)) && ln -s "$${host%/lib/*}" $(folder)/host || \
	    echo "$@: left out: OpenSSL $(release) cannot be built here" >&2
	@if [ -e $(folder)/host ]; then \
	    $(MAKE) --no-print-directory replacement HOST_LIBSSL=$(folder)/host/lib/$(soname_of_release) OUT=$(folder)/sslcache; \
	fi

## test-forms   the C programs on all hosts in all forms, and under valgrind; make test has the forms take turns
test-forms: all bsymbolic $(RELEASES) $(FURTHER_MADE)
	SSLCACHE_ALL_FORMS=1 $(CARGO) test --locked --test ctests

## test-hosts   each C program in each form on OpenSSL 1.1.1k and w, 3.0, 3.5, 3.6 and 4.0
test-hosts: all bsymbolic $(RELEASES) $(FURTHER_RELEASES)
	SSLCACHE_ALL_FORMS=1 $(CARGO) test --locked --no-fail-fast --test ctests -- --skip valgrind:: --skip asan:: --skip tsan::

## header       generates include/sslcache.h from the declarations in src
header:
	tools/make-header

## check        checks the finished libraries again, as the build does
check: all
	@tools/check-libraries $(CHECKS) exports.map $(PRELOAD)
	@tools/check-libraries $(CHECKS) exports.map $(OUT)/$(FRONT) $(host)

## lint         rustfmt, clippy, and shellcheck where it is installed
component = $(CARGO) $1 --version >/dev/null 2>&1 || \
            { command -v rustup >/dev/null && echo "lint: installing $2: rustup component add $2" && \
              rustup component add $2 >/dev/null 2>&1; }
lint:
	@if $(call component,fmt,rustfmt); then $(CARGO) fmt --check; else echo "lint: no rustfmt here"; fi
	@if $(call component,clippy,clippy); then $(CARGO) clippy --locked --all-targets --features cli,agent -- -D warnings; \
	    else echo "lint: no clippy here"; fi
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); fi

## check-rust   whether the oldest Rust that Cargo.toml promises builds this; rustup brings it
check-rust:
	@tools/check-rust-version
TESTS += check-rust

## check-man    the manual pages, without a warning
check-man:
	mandoc -T lint -W warning $(MANUALS)

## test-fleet   the agent's store, on redis-server, valkey-server and memcached, where they are installed
# By itself, as the other tests are built without the agent's dependencies.
test-fleet:
	$(CARGO) test --locked --features agent --test fleet
TESTS += test-fleet

## test         every test, about 50 minutes on two cores; says what it installs, where it may, before it does
# TESTS are the targets that are tests, here and in the included files; the rest are cargo's.
test:
	@tools/install-deps build test
	@tools/unpack $(CARGO_TARGET_DIR)/apart vsftpd
	@tools/unpack-release $(CARGO_TARGET_DIR)/apart/debian11 bullseye nginx-light libssl1.1 libpcre3
	@$(MAKE) all bsymbolic $(RELEASES) $(FURTHER_MADE) lint check-man $(TESTS)
	$(CARGO) test --locked --no-fail-fast

## test-faults  every call of the libraries to the C library fails in turn, and every allocation; make test tries some
test-faults: all
	SSLCACHE_ALL_FAULTS=1 $(CARGO) test --locked --test faults

## miri         unit tests under Miri, which rustup brings for nightly; UNITS="shm::keys sys::reserve" names some of them
miri:
	@tools/miri $(CARGO_TARGET_DIR) $(UNITS)
TESTS += miri

## soak         four servers to which everything happens, for MINUTES=60: what they occupy, and whom they resume
MINUTES ?= 60
soak:
	@tools/install-deps build soak
	@$(MAKE) --no-print-directory all
	python3 -B tests/soak $(STAGE) $(CARGO_TARGET_DIR)/soak $(MINUTES)

## demo         nginx under sslcache: which clients are resumed, and by whose cache; says what it installs
demo:
	@tools/install-deps build demo
	@$(MAKE) all
	tools/demo $(STAGE)

## demo-fleet   two hosts with nginx, or HOSTS=4, an agent each and one Redis: which clients the other hosts resume
demo-fleet:
	@tools/install-deps build demo fleet
	@$(MAKE) all
	tools/demo-fleet $(STAGE) $(HOSTS)

## compatibility-table  writes the table of servers in COMPATIBILITY.md anew, from the last runs of test-systems
compatibility-table:
	python3 -B tests/servers/compatibility.py $(CARGO_TARGET_DIR)/systems COMPATIBILITY.md

## install      PREFIX=/usr/local DESTDIR=
install: all
	$(INSTALL) -d $(addprefix $(DESTDIR),$(LIBDIR)/sslcache $(LIBDIR)/pkgconfig $(INCLUDEDIR) $(sort $(dir $(MAN_FILES))) \
	    $(BINDIR) $(MANDIR)/man1 $(addprefix $(DATADIR)/,$(dir $(COMPLETIONS))))
	$(INSTALL) -m 755 $(TOOL) $(DESTDIR)$(BINDIR)
ifneq ($(abspath $(LIBDIR)),$(abspath $(BINDIR)/../lib))
	$(INSTALL) -d $(DESTDIR)$(dir $(LIBDIR_TOLD))
	echo $(LIBDIR) >$(DESTDIR)$(LIBDIR_TOLD) && chmod 644 $(DESTDIR)$(LIBDIR_TOLD)
endif
	$(INSTALL) -m 644 $(addprefix $(STAGE)/share/man/man1/,$(TOOL_PAGES)) $(DESTDIR)$(MANDIR)/man1
	$(foreach f,$(COMPLETIONS),$(INSTALL) -m 644 $(STAGE)/share/$f $(DESTDIR)$(DATADIR)/$f &&) true
	$(INSTALL) -m 644 $(PRELOAD) $(DESTDIR)$(LIBDIR)
	ln -sf $(notdir $(PRELOAD)) $(DESTDIR)$(LIBDIR)/libsslcache.so.0
	ln -sf $(notdir $(PRELOAD)) $(DESTDIR)$(LIBDIR)/libsslcache.so
	$(INSTALL) -m 644 $(addprefix $(OUT)/,$(FRONT) libssl.so libssl-link.so) $(DESTDIR)$(LIBDIR)/sslcache
	$(call pkgconfig,$(PREFIX),$(LIBDIR),$(INCLUDEDIR)) >$(DESTDIR)$(LIBDIR)/pkgconfig/sslcache.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/sslcache.pc
	$(INSTALL) -m 644 include/sslcache.h $(DESTDIR)$(INCLUDEDIR)
	$(foreach m,$(MAN_FILES),$(INSTALL) -m 644 man/$(notdir $m) $(DESTDIR)$m &&) true

## uninstall    what install put there, with the same variables
uninstall:
	rm -f $(addprefix $(DESTDIR),$(addprefix $(LIBDIR)/,$(notdir $(PRELOAD)) libsslcache.so.0 libsslcache.so \
	    sslcache/$(FRONT) sslcache/libssl.so sslcache/libssl-link.so pkgconfig/sslcache.pc) $(INCLUDEDIR)/sslcache.h $(MAN_FILES) \
	    $(BINDIR)/sslcache $(addprefix $(MANDIR)/man1/,$(TOOL_PAGES)) $(addprefix $(DATADIR)/,$(COMPLETIONS)))
	rm -f $(DESTDIR)$(LIBDIR_TOLD)
	rmdir $(DESTDIR)$(LIBDIR)/sslcache $(DESTDIR)$(dir $(LIBDIR_TOLD)) 2>/dev/null || true

## clean        all that was built
clean:
	$(CARGO) clean
	rm -rf $(STAGE) $(BSYMBOLIC) $(addprefix $(CARGO_TARGET_DIR)/,$(RELEASES) $(FURTHER_RELEASES))

## help         this list
help:
	@sed -n 's/^## /  make /p' Makefile benches/bench.mk fuzz/fuzz.mk packaging/packages.mk packaging/target.mk packaging/musl.mk

include benches/bench.mk fuzz/fuzz.mk packaging/packages.mk packaging/musl.mk

# A manual page's folder is named by its suffix: man/x.3 is man3/x.3.
.SECONDEXPANSION:
$(STAGE)/share/man/%: man/$$(@F)
	@mkdir -p $(@D)
	cp $< $@
