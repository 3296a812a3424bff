# Packages: Debian's, and the tarball that others are made from. tests/packages tries them.

DOCDIR   ?= $(PREFIX)/share/doc/sslcache
# Where the packages and the tarball go.
DIST     := $(CARGO_TARGET_DIR)/dist
DEB_TREE := $(CARGO_TARGET_DIR)/deb-tree
DROP_INS := $(notdir $(wildcard packaging/systemd/*.conf))

# What test-packages makes, from a tarball.
TRIED    := $(CARGO_TARGET_DIR)/packages

SCRIPTS += $(addprefix packaging/,make-deb make-dist $(addprefix debian/sslcache.,postinst prerm postrm)) \
           $(wildcard tests/packages/*.sh)
.PHONY: deb dist test-packages install-drop-ins uninstall-drop-ins

install: install-drop-ins
install-drop-ins:
	$(INSTALL) -d $(DESTDIR)$(DOCDIR)/systemd
	$(foreach f,$(DROP_INS),sed 's|@LIBDIR@|$(LIBDIR)|' packaging/systemd/$f >$(DESTDIR)$(DOCDIR)/systemd/$f &&) true
	cd $(DESTDIR)$(DOCDIR)/systemd && chmod 644 $(DROP_INS)

uninstall: uninstall-drop-ins
uninstall-drop-ins:
	rm -f $(addprefix $(DESTDIR)$(DOCDIR)/systemd/,$(DROP_INS))
	rmdir $(DESTDIR)$(DOCDIR)/systemd $(DESTDIR)$(DOCDIR) 2>/dev/null || true

# On Debian, the host is the one of its package, wherever another may be.
debian_libdir = /usr/lib/$(shell dpkg-architecture -qDEB_HOST_MULTIARCH)

## deb          Debian packages in target/dist: sslcache, for apt install, and libsslcache-dev
deb:
	@tools/install-deps build deb
	rm -rf $(DEB_TREE)
	$(MAKE) install DESTDIR=$(DEB_TREE) PREFIX=/usr LIBDIR=$(debian_libdir) HOST_LIBSSL=$(debian_libdir)/libssl.so.3
	packaging/make-deb $(DEB_TREE) $(DIST)

## dist         a source tarball in target/dist that builds without a network; the same commit gives the same bytes
dist:
	packaging/make-dist $(DIST)/sslcache-$(VERSION).tar.xz

## test-packages packages built from a tarball, and tried in a clean system, which wants root
# The first run fetches that system; it is kept in ~/.cache/sslcache.
test-packages:
	@tools/install-deps build packages
	tests/packages/dist.sh $(TRIED)
	tests/packages/install.sh $$(tests/packages/root.sh) $(TRIED)/sslcache_*.deb $(TRIED)/libsslcache-dev_*.deb
