#!/usr/bin/env bash
# .venv holds exactly what requirements.lock says; nothing is done when it already does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=setup/say.sh
. setup/say.sh

stamp=.venv/locked
log=.local/logs/python.log
want=$(cat requirements.lock setup/uv.txt - <<<"$PWD" | sha256sum) # scripts in .venv/bin name the folder
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
    exit 0
fi

# run WHAT CMD...: its output goes to the log, whose end is shown when it fails.
run() {
    local what=$1
    shift
    "$@" >>"$log" 2>&1 </dev/null && return
    tail -n 15 "$log" >&2
    fail "python" "$what failed (above: the end of $PWD/$log)" ".venv is incomplete and is completed by the next run" \
        "see the log; most often the package index could not be reached"
}

mkdir -p .local/logs
rm -f "$stamp"
if ! grep -qs "$PWD/.venv" .venv/pyvenv.cfg || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python=$(setup/find-python.sh)
    say "making .venv with $python ($("$python" --version))"
    run "python3 -m venv" "$python" -m venv --clear .venv
fi
say "installing $(grep -c '==' requirements.lock) locked packages into .venv (log: $log)"
run "pip install uv" .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r setup/uv.txt
run "uv pip sync" .venv/bin/uv pip sync -q --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock
printf '%s\n' "$want" >"$stamp"
