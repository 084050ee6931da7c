#!/usr/bin/env bash
# Installs by apt what this machine lacks, and only that: a second run asks apt for nothing.
# No package may start or enable a service: the local cloud runs its own servers, in .local/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=setup/say.sh
. setup/say.sh
PATH=$PATH:${SBIN-/usr/sbin:/sbin} # where a plain user's PATH does not look for dockerd

policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
log=.local/logs/apt.log
missing=()
as_root=()

# want PACKAGE WHY TEST...: PACKAGE is missing when TEST fails.
want() {
    local package=$1 why=$2
    shift 2
    if ! "$@" >/dev/null 2>&1; then
        missing+=("$package")
        say "missing: $package ($why)"
    fi
}

postgres_here() { command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb'; }
apparmor_served() { ! grep -qs Y /sys/module/apparmor/parameters/enabled || command -v apparmor_parser; }

find_missing() {
    local python
    python=$(setup/find-python.sh)
    want docker.io "engine: tasks of the local cloud are containers" command -v dockerd
    want apparmor "the engine loads its profile with it on this kernel" apparmor_served
    want postgresql "behind the local cloud's RDS" postgres_here
    want redis-server "behind the local cloud's ElastiCache" command -v redis-server
    want mmdebstrap "makes the base image: no image is pulled" command -v mmdebstrap
    want ca-certificates "certificates inside the base image" test -s /etc/ssl/certs/ca-certificates.crt
    want "$("$python" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))')" \
        "makes .venv" "$python" -c 'import ensurepip, venv'
}

# base-image.sh builds from what apt's package lists name; fresh containers come without lists.
lists_here() { ! command -v apt-get || apt-cache show busybox-static; }

become_root() {
    command -v apt-get >/dev/null || fail "packages" "no apt-get here, missing: ${missing[*]:-package lists}" \
        "nothing was changed" "install them with your package manager and run this again"
    [ "$(id -u)" = 0 ] && return
    command -v sudo >/dev/null || fail "packages" "not root and no sudo, missing: ${missing[*]:-package lists}" \
        "nothing was changed" "as root: apt-get update && apt-get install ${missing[*]}"
    as_root=(sudo)
}

# The Debian way to say that an installation starts no service. One that exists is left alone.
forbid_starts() {
    [ -e "$policy" ] && return
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
}

apt_get() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" \
        </dev/null >>"$log" 2>&1 && return
    tail -n 15 "$log" >&2
    fail "packages" "apt-get $* failed (above: the end of $PWD/$log)" \
        "packages already unpacked stay" "mend apt (network, sources, a full disk), then run this again"
}

install_missing() {
    mkdir -p .local/logs
    say "asking apt for its package lists (log: $log)"
    apt_get update
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${#missing[@]} packages by apt"
    # Since Debian 13 the client is a package of its own.
    if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then
        missing+=(docker-cli)
    fi
    apt_get install --no-install-recommends "${missing[@]}"
    for service in postgresql redis-server; do
        case " ${missing[*]} " in *" $service "*) disable "$service" >>"$log" 2>&1 ;; esac
    done
}

# Neither now nor at the next boot; the first also where there is no systemd.
disable() {
    "${as_root[@]}" update-rc.d "$1" disable || true
    "${as_root[@]}" systemctl disable --now "$1" || true
}

find_missing
if [ ${#missing[@]} -eq 0 ] && lists_here >/dev/null 2>&1; then
    exit 0
fi
become_root
forbid_starts
install_missing
