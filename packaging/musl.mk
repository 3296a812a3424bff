# The library for systems whose C library is musl, such as Alpine.

MUSL        := $(CARGO_TARGET_DIR)/musl
# The compiler and rustc's target. Alpine's own are named by packaging/APKBUILD.
MUSL_CC     ?= musl-gcc
MUSL_TARGET ?= x86_64-unknown-linux-musl
MUSL_ARCHIVE = $(CARGO_TARGET_DIR)/$(MUSL_TARGET)/release/libsslcache.a
# Of what rustc brings for musl, the unwinder alone: the C library is the system's.
MUSL_UNWIND ?= $(call rustc,--print sysroot)/lib/rustlib/$(MUSL_TARGET)/lib/self-contained/libunwind.a
SCRIPTS += tests/musl.sh packaging/APKBUILD
.PHONY: musl install-musl test-musl

## musl         the library to preload and to link with, for Alpine: target/musl/libsslcache.so.0; wants musl-gcc and rustup
musl: $(MUSL)/libsslcache.so.0
$(MUSL)/libsslcache.so.0: $(SOURCES) tools/aliases tools/check-paths
ifeq ($(MUSL_CC),musl-gcc)
	@tools/install-deps build musl
	@rustup target add $(MUSL_TARGET) >/dev/null 2>&1
endif
	@mkdir -p $(@D)
	RUSTFLAGS="$$RUSTFLAGS $(REMAP) -C target-feature=-crt-static" \
	    $(CARGO) rustc --locked --release --lib --crate-type staticlib --target $(MUSL_TARGET)
	@tools/aliases exports.map >$(@D)/aliases.ld
	$(patsubst $(CC),$(MUSL_CC),$(LINK)) -Wl,-soname,$(@F),--version-script,exports.map -o $@ $(@D)/aliases.ld \
	    -Wl,--whole-archive $(MUSL_ARCHIVE) -Wl,--no-whole-archive $(MUSL_UNWIND)
	@tools/check-paths $@

## install-musl that library, its header, pkg-config file and manual pages; PREFIX= and DESTDIR= as for install
install-musl: musl
ifeq ($(MUSL_CC)$(DESTDIR),musl-gcc)
	$(error install-musl: DESTDIR is wanted: here the library would take the place of the one for this machine's own programs)
endif
	$(INSTALL) -d $(addprefix $(DESTDIR),$(LIBDIR)/pkgconfig $(INCLUDEDIR) $(sort $(dir $(MAN_FILES))))
	$(INSTALL) -m 755 $(MUSL)/libsslcache.so.0 $(DESTDIR)$(LIBDIR)
	ln -sf libsslcache.so.0 $(DESTDIR)$(LIBDIR)/libsslcache.so
	$(call pkgconfig,$(PREFIX),$(LIBDIR),$(INCLUDEDIR)) | sed '/^# The folder/,/^replacementdir/d' >$(DESTDIR)$(LIBDIR)/pkgconfig/sslcache.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/sslcache.pc
	$(INSTALL) -m 644 include/sslcache.h $(DESTDIR)$(INCLUDEDIR)
	$(foreach m,$(MAN_FILES),$(INSTALL) -m 644 man/$(notdir $m) $(DESTDIR)$m &&) true

## test-musl    C programs with musl's C library, on an OpenSSL 1.1.1 that is built for it and kept in ~/.cache/sslcache
# And Alpine's APKBUILD, as far as it can be tried without Alpine.
test-musl: musl
	tests/packages/apkbuild.sh $(MUSL)/alpine
	host=$$(CC=musl-gcc tools/make-hosts 1.1.1) && tests/musl.sh $(MUSL)/libsslcache.so.0 "$${host%/lib/*}" $(MUSL)/programs
