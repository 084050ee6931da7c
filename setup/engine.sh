#!/usr/bin/env bash
# engine.sh CMD...     runs CMD with a Docker engine that answers and leaves the engine as it was found:
#                      one started here is stopped again, also on Ctrl-C and TERM. KEEP=1 keeps it.
# engine.sh --stop     stops an engine that an earlier KEEP=1 kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=setup/say.sh
. setup/say.sh
PATH=$PATH:${SBIN-/usr/sbin:/sbin}

pid_file=$PWD/.local/engine.pid     # written by dockerd itself
owner_file=$PWD/.local/engine.owner # "<dockerd|systemd> <pid of the engine.sh that started it, or kept>"
log=$PWD/.local/logs/engine.log
timeout_s=${ENGINE_TIMEOUT_S:-60}
owner_id=${ENGINE_OWNER:-$$}
unset ENGINE_OWNER # a script of ours below this one owns nothing of ours
launched=
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

answers() { timeout 10 docker version >/dev/null 2>&1; }
refuses_user() { timeout 10 docker version 2>&1 | grep -q 'permission denied'; }
runs() { [ -n "${1:-}" ] && [ -d "/proc/$1" ]; }
engine_pid() { cat "$pid_file" 2>/dev/null || true; }

wait_until_ready() {
    local since=$SECONDS said=0
    until answers; do
        if [ $((SECONDS - since)) -ge "$timeout_s" ]; then
            tail -n 15 "$log" >&2 || true
            stop_engine "$1"
            fail "engine" "does not answer after $timeout_s s (above: the end of $log)" "it was stopped again" \
                "read the log; in a container Docker needs --privileged"
        fi
        if [ "$1" = dockerd ] && ! runs "$launched" && ! runs "$(engine_pid)"; then
            tail -n 15 "$log" >&2
            rm -f "$owner_file" "$pid_file"
            fail "engine" "dockerd ended by itself (above: the end of $log)" "no engine runs" \
                "read the log; in a container Docker needs --privileged"
        fi
        if [ $((SECONDS - since)) -ge $((said + 5)) ]; then
            said=$((SECONDS - since))
            say "the Docker engine is starting ($said of at most $timeout_s s)"
        fi
        sleep 0.3
    done
}

start_engine() {
    [ -z "${DOCKER_HOST:-}" ] || fail "engine" "nothing answers at DOCKER_HOST=$DOCKER_HOST" \
        "nothing was changed" "start that engine, or unset DOCKER_HOST to use this machine's"
    command -v dockerd >/dev/null || fail "engine" "no Docker engine answers and there is no dockerd" \
        "nothing was changed" "run setup/packages.sh"
    mkdir -p "${log%/*}"
    if [ -d "${SYSTEMD:-/run/systemd/system}" ]; then
        say "starting the Docker engine by systemd"
        echo "systemd $owner_id" >"$owner_file"
        "${as_root[@]}" systemctl start docker >"$log" 2>&1 || true
        refuses_user || wait_until_ready systemd
    else
        say "starting the Docker engine (log: $log)"
        runs "$(engine_pid)" || rm -f "$pid_file"
        # The socket belongs to the caller's group: no membership of "docker" is needed.
        echo "dockerd $owner_id" >"$owner_file"
        "${as_root[@]}" setsid dockerd --pidfile "$pid_file" --group "$(id -gn)" >"$log" 2>&1 </dev/null &
        launched=$!
        wait_until_ready dockerd
    fi
}

stop_engine() {
    local how=$1 pid
    pid=$(engine_pid)
    runs "$pid" && [ "$(cat "/proc/$pid/comm")" = dockerd ] || pid=$launched # a number may be another's by now
    rm -f "$owner_file"
    if [ "$how" = systemd ]; then
        "${as_root[@]}" systemctl stop docker.socket docker.service >>"$log" 2>&1
    elif runs "$pid"; then
        "${as_root[@]}" kill "$pid"
        for _ in $(seq 150); do
            runs "$pid" || break
            sleep 0.2
        done
        if runs "$pid"; then
            fail "engine" "dockerd (process $pid) runs on 30 s after TERM" "it still runs" "see $log, then: kill -9 $pid"
        fi
    fi
    rm -f "$pid_file"
}

# Stops the engine if it was started here (or by a run that was killed) and nobody else uses it by now.
release_engine() {
    local how owner
    read -r how owner 2>/dev/null <"$owner_file" || return 0
    if [ "$owner" != "$1" ] && { [ "$owner" = kept ] || runs "$owner"; }; then
        return 0
    fi
    if answers && [ -n "$(docker ps -q)" ]; then
        say "the Docker engine runs on: $(docker ps -q | wc -l) containers use it (stop it later: setup/engine.sh --stop)"
        echo "$how kept" >"$owner_file"
        return 0
    fi
    say "stopping the Docker engine"
    stop_engine "$how"
}

# CMD runs in a process group of its own, to which Ctrl-C and TERM go on as INT: every program here
# cleans up on INT, while pytest would die of TERM without tearing down. INT is set back to its default for
# CMD: where this script runs as somebody's background job, INT is ignored, and ignoring is inherited.
run_command() {
    local child status=0
    set -m
    env --default-signal=INT "$@" </dev/null &
    child=$!
    set +m
    trap 'kill -INT -- "-$child" 2>/dev/null || true' INT TERM HUP
    while kill -0 "$child" 2>/dev/null; do
        wait "$child" || true
    done
    wait "$child" || status=$?
    trap '' INT TERM HUP # nothing interrupts the stop of the engine
    return "$status"
}

if [ "${1:-}" = --stop ]; then
    release_engine kept
    exit 0
fi
[ $# -gt 0 ] || fail "engine" "no command given" "nothing was changed" "call: setup/engine.sh CMD..."
mkdir -p .local
trap 'release_engine "$owner_id"; exit 130' INT TERM HUP
answers || refuses_user || start_engine
if refuses_user; then
    # The group for this command only: membership would be a root right for ever.
    exec sudo -E -g docker env "PATH=$PATH" "ENGINE_OWNER=$owner_id" "$PWD/setup/engine.sh" "$@"
fi
status=0
run_command "$@" || status=$?
if [ "${KEEP:-0}" = 1 ] && [ -e "$owner_file" ]; then
    read -r how _ <"$owner_file"
    echo "$how kept" >"$owner_file"
else
    release_engine "$owner_id"
fi
exit "$status"
