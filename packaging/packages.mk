# Packages: Debian's, and the tarball that others are made from. tests/packages tries them.

DOCDIR   ?= $(PREFIX)/share/doc/sslcache
# Where the packages and the tarball go.
DIST     := $(CARGO_TARGET_DIR)/dist
DEB_TREE := $(BUILT)/deb-tree
# For systemd: drop-ins of services, and the units of the exporter and of the agent. Examples, until a package or an administrator puts them into place.
SYSTEMD  := $(notdir $(wildcard $(addprefix packaging/systemd/*.,conf service socket)))

# What test-packages makes, from a tarball.
TRIED    := $(CARGO_TARGET_DIR)/packages

SCRIPTS += $(addprefix packaging/,make-deb make-dist $(addprefix debian/sslcache,$(addprefix .,postinst prerm postrm) $(addprefix -agent.,postinst prerm postrm))) \
           $(wildcard tests/packages/*.sh)
# The releases of Debian that test-systems tries, and what it keeps of each.
SYSTEMS  ?= bullseye bookworm trixie sid
KEPT     := $(CARGO_TARGET_DIR)/systems
.PHONY: deb dist test-packages test-install test-systems install-units uninstall-units

install: install-units
install-units:
	$(INSTALL) -d $(DESTDIR)$(DOCDIR)/systemd
	$(foreach f,$(SYSTEMD),sed -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@BINDIR@|$(BINDIR)|' packaging/systemd/$f >$(DESTDIR)$(DOCDIR)/systemd/$f &&) true
	cd $(DESTDIR)$(DOCDIR)/systemd && chmod 644 $(SYSTEMD)

uninstall: uninstall-units
uninstall-units:
	rm -f $(addprefix $(DESTDIR)$(DOCDIR)/systemd/,$(SYSTEMD))
	rmdir $(DESTDIR)$(DOCDIR)/systemd $(DESTDIR)$(DOCDIR) 2>/dev/null || true

# Runs one command, as one word, for the architecture of TARGET.
DEB_FOR = $(if $(TARGET),dpkg-architecture --force --host-type $(TRIPLET) --command,sh -c)

## deb          Debian packages in target/dist: sslcache, for apt install, sslcache-agent and libsslcache-dev; TARGET= for others
# On Debian, the host is the one of its package, wherever another may be. A make of its own asks for it, once the first line has
# installed what answers.
deb:
	@tools/install-deps build deb
	rm -rf $(DEB_TREE)
	libdir=/usr/lib/$$($(DEB_FOR) "dpkg-architecture -qDEB_HOST_MULTIARCH") && host=$$(tools/find-host $$libdir) && \
	    $(MAKE) install DESTDIR=$(DEB_TREE) PREFIX=/usr LIBDIR=$$libdir HOST_LIBSSL=$$host
	STRIP=$(STRIP) SYSROOT=$(SYSROOT) $(DEB_FOR) "packaging/make-deb $(DEB_TREE) $(DIST) cli,agent"

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

## test-systems the servers of Debian 11, 12, 13 and sid, each with the package that is built there: SYSTEMS=sid ONLY=nginx
# No part of make test: it takes half an hour and more. What a release fetched is kept in ~/.cache/sslcache, and what was compiled
# for it in target/systems.
test-systems:
	@tools/install-deps build packages
	packaging/make-dist $(KEPT)/sslcache.tar.xz
	@failed=; for release in $(SYSTEMS); do \
	    echo "test-systems: $$release" && \
	    system=$$(tests/packages/root.sh $$release $$(tools/install-deps --names systems)) && \
	    tests/packages/system.sh "$$system" $(KEPT)/sslcache.tar.xz $(KEPT)/$$release $(ONLY) || failed="$$failed $$release"; \
	done; [ -z "$$failed" ] || { echo "test-systems: failed on$$failed" >&2 && exit 1; }
