# Packages: Debian's, and the tarball that others are made from. tests/packages tries them.

DOCDIR   ?= $(PREFIX)/share/doc/sslcache
# Where the packages and the tarball go.
DIST     := $(CARGO_TARGET_DIR)/dist
DEB_TREE := $(CARGO_TARGET_DIR)/deb-tree
# For systemd: drop-ins of services, and the units of the exporter and of the agent. Examples, until a package or an administrator puts them into place.
UNITS    := $(notdir $(wildcard $(addprefix packaging/systemd/*.,conf service socket)))

# What test-packages makes, from a tarball.
TRIED    := $(CARGO_TARGET_DIR)/packages

SCRIPTS += $(addprefix packaging/,make-deb make-dist $(addprefix debian/sslcache,$(addprefix .,postinst prerm postrm) $(addprefix -agent.,postinst prerm postrm))) \
           $(wildcard tests/packages/*.sh)
.PHONY: deb dist test-packages test-install install-units uninstall-units

install: install-units
install-units:
	$(INSTALL) -d $(DESTDIR)$(DOCDIR)/systemd
	$(foreach f,$(UNITS),sed -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@BINDIR@|$(BINDIR)|' packaging/systemd/$f >$(DESTDIR)$(DOCDIR)/systemd/$f &&) true
	cd $(DESTDIR)$(DOCDIR)/systemd && chmod 644 $(UNITS)

uninstall: uninstall-units
uninstall-units:
	rm -f $(addprefix $(DESTDIR)$(DOCDIR)/systemd/,$(UNITS))
	rmdir $(DESTDIR)$(DOCDIR)/systemd $(DESTDIR)$(DOCDIR) 2>/dev/null || true

## deb          Debian packages in target/dist: sslcache, for apt install, sslcache-agent and libsslcache-dev
# On Debian, the host is the one of its package, wherever another may be. The shell asks for the folder, and not make, which
# would before the first line has installed what answers.
deb:
	@tools/install-deps build deb
	rm -rf $(DEB_TREE)
	libdir=/usr/lib/$$(dpkg-architecture -qDEB_HOST_MULTIARCH) && \
	    $(MAKE) install DESTDIR=$(DEB_TREE) PREFIX=/usr LIBDIR=$$libdir HOST_LIBSSL=$$libdir/libssl.so.3
	packaging/make-deb $(DEB_TREE) $(DIST) cli,agent

## dist         a source tarball in target/dist that builds without a network; the same commit gives the same bytes
dist:
	packaging/make-dist $(DIST)/sslcache-$(VERSION).tar.xz

## test-packages packages built from a tarball, and tried in a clean system; wants dpkg, and root for the second
# The first run fetches that system, which is then kept in ~/.cache/sslcache. Where it cannot, that is said.
TESTS += test-packages
test-packages:
	@if ! command -v dpkg-deb >/dev/null; then \
	    echo "test-packages: left out: there is no dpkg here"; \
	else \
	    tools/install-deps build packages && tests/packages/dist.sh $(TRIED) && $(MAKE) --no-print-directory test-install; \
	fi

test-install:
	@if [ "$$(id -u)" != 0 ] || ! unshare --mount --pid --net --fork true; then \
	    echo "test-install: left out: it wants root, and namespaces"; \
	elif system=$$(tests/packages/root.sh); then \
	    tests/packages/install.sh "$$system" $(TRIED)/sslcache_*.deb $(TRIED)/libsslcache-dev_*.deb \
	        $(TRIED)/sslcache-agent_*.deb && \
	    tests/packages/services.sh "$$system" $(TRIED)/sslcache_*.deb; \
	else \
	    echo "test-install: left out: no clean system can be made here"; \
	fi
