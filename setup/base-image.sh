#!/bin/sh
# Afterwards the image localcloud/base:<hash> (and :latest) exists: a small Debian or Ubuntu of the host's own
# release with Python, pip, nginx, busybox and the host's CA bundle, from which app/*/Dockerfile build where no
# registry can be reached. The hash covers this file, the release and the CA bundle: nothing is done twice.
#
# Needs: root, a running Docker engine, mmdebstrap, package lists (apt-get update). Exit codes: 0 the image is
# there, 1 building failed, 2 something is missing. Safe to repeat, and to interrupt: tags are set at the end.
set -eu

fail() { # where, what was seen, what to do; then the exit code
	echo "setup/base-image.sh: $1: $2; no image was tagged; $3" >&2
	exit "$4"
}

. /etc/os-release
codename=${VERSION_CODENAME:-}
bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
[ -n "$codename" ] || fail "/etc/os-release" "no VERSION_CODENAME, so not Debian or Ubuntu (${ID:-unknown})" \
	"build with BASE_IMAGE=python:3.11-slim instead" 2
[ -s "$bundle" ] || fail "$bundle" "no CA bundle" "apt-get install ca-certificates" 2
hash=$({ cat "$0" "$bundle"; echo "$codename"; } | sha256sum | cut -c1-12)
tag=localcloud/base:$hash

docker=$(command -v docker) || fail "docker" "not installed" "apt-get install docker.io" 2
if tags=$("$docker" image inspect --format '{{join .RepoTags " "}}' "$tag" 2>/dev/null); then
	case " $tags " in *" localcloud/base:latest "*) ;; *) "$docker" tag "$tag" localcloud/base:latest ;; esac
	echo "$tag"
	exit 0
fi
seen=$("$docker" version --format '{{.Server.Version}}' 2>&1) ||
	fail "Docker engine" "does not answer ($(echo "$seen" | tail -n 1))" "start it: systemctl start docker" 2
command -v mmdebstrap >/dev/null || fail "mmdebstrap" "not installed" "apt-get install mmdebstrap" 2
[ "$(id -u)" = 0 ] || fail "user $(id -un)" "building a root file system needs root" "run it once with sudo" 2

python=$(apt-cache depends python3 2>/dev/null | grep -o 'python3\.[0-9]*$' | head -n 1)
[ -n "$python" ] || fail "apt-cache" "does not know python3" "apt-get update" 2

work=$(mktemp -d)
candidate=localcloud/base-candidate:$hash-$$
tidy() {
	"$docker" image rm --force "$candidate" >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap tidy EXIT
trap 'exit 130' INT TERM HUP
root=$work/tree
log=$work/log
mkdir "$work/debs"

# The distribution's own sources as this host has them (third-party sources stay out).
apt-get indextargets --format '$(ORIGIN) deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
	sed -n 's/^\(Debian\|Ubuntu\) //p' | sort -u >"$work/sources.list"
[ -s "$work/sources.list" ] || fail "apt" "no package lists of Debian or Ubuntu" "apt-get update" 2
apt-config dump Acquire | grep -E '^Acquire::(http|https|Check)' >"$work/apt.conf" || true

# nginx and pip come as files without their dependencies, which would triple the image (perl, iproute2, openssl).
nginx_package=nginx
apt-cache show nginx-core >/dev/null 2>&1 && [ "$ID" = ubuntu ] && nginx_package=nginx-core
(cd "$work/debs" && apt-get -q -o APT::Sandbox::User=root download "$nginx_package" python3-pip-whl) \
	>"$log" 2>&1 ||
	fail "apt-get download" "$(tail -n 1 "$log")" "check the network and run apt-get update" 1
nginx_libraries=$(dpkg-deb -f "$work/debs/$nginx_package"_*.deb Depends | tr ',|' '\n\n' |
	sed -n 's/^ *\(lib[a-z0-9.+-]*\).*/\1/p' | grep -v '^libnginx' | sort -u | tr '\n' ',')

keyring=/usr/share/keyrings/$ID-archive-keyring.gpg
[ -e "$keyring" ] && set -- --keyring="$keyring" || set --
mmdebstrap --variant=extract "$@" --aptopt="$work/apt.conf" \
	--include="$python-minimal,lib$python-stdlib,${nginx_libraries}busybox-static,base-files,base-passwd,netbase,tzdata" \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
	--dpkgopt='path-exclude=/usr/lib/*/gconv/*' --dpkgopt='path-exclude=/usr/lib/*/perl-base/*' \
	--dpkgopt='path-exclude=/usr/share/zoneinfo/right/*' \
	"$codename" "$root" "$work/sources.list" >"$log" 2>&1 ||
	fail "mmdebstrap $codename" "$(grep -E '^E:|rror' "$log" | tail -n 1)" "check the network and the sources of apt" 1

# Packages are only unpacked in this variant: what their scripts would have done is done here.
finish() {
	set -e
	for deb in "$work"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root" \
			--exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./etc/init.d'
	done
	for applet in $("$root/bin/busybox" --list); do
		[ -e "$root/bin/$applet" ] || [ -e "$root/usr/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
	done
	ln -sf "$python" "$root/usr/bin/python3"
	ln -sf python3 "$root/usr/bin/python"
	cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
	cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
	echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
	ln -sf /usr/share/zoneinfo/Etc/UTC "$root/etc/localtime"
	mkdir -p "$root/tmp" "$root/etc/ssl/certs" "$root/var/log/nginx" "$root/var/lib/nginx"
	ln -s /dev/stderr "$root/var/log/nginx/error.log"
	chmod 1777 "$root/tmp"
	cp "$bundle" "$root/etc/ssl/certs/ca-certificates.crt"
	cat >"$root/usr/bin/pip" <<-'PIP'
		#!/bin/sh
		for wheel in /usr/share/python-wheels/pip-*.whl; do exec python3 "$wheel/pip" "$@"; done
	PIP
	chmod 755 "$root/usr/bin/pip"
	stdlib=$root/usr/lib/$python
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/python-wheels/setuptools-* \
		"$root"/usr/share/python-wheels/wheel-* "$stdlib"/lib2to3 "$stdlib"/pydoc_data "$stdlib"/idlelib "$stdlib"/test "$stdlib"/turtle.py "$stdlib"/distutils/tests
	chroot "$root" "/usr/bin/$python" -m compileall -q "/usr/lib/$python"
}
set +e
(finish) >"$log" 2>&1
finished=$?
set -e
[ "$finished" = 0 ] || fail "finishing the tree" "$(tail -n 1 "$log")" "report it with this message" 1

set -- --change 'CMD ["python3"]' --change 'ENV LANG=C.UTF-8'
for variable in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE; do
	set -- "$@" --change "ENV $variable=/etc/ssl/certs/ca-certificates.crt"
done
tar -C "$root" -c . | "$docker" import "$@" - "$candidate" >"$log" 2>&1 ||
	fail "docker import" "$(tail -n 1 "$log")" "check the disk space of the Docker engine" 1
"$docker" run --rm --network none "$candidate" sh -c \
	"python3 -c 'import ssl, sqlite3, zoneinfo, ctypes' && nginx -v && pip --version" >"$log" 2>&1 ||
	fail "the new image" "$(tail -n 1 "$log")" "report it with this message" 1

"$docker" tag "$candidate" "$tag"
"$docker" tag "$candidate" localcloud/base:latest
echo "$tag"
