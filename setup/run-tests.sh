#!/usr/bin/env bash
# run-tests.sh SECONDS: every test, once, bounded in time; then proof that nothing was left behind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
limit_s=$1
before=.local/tests/before.json
log=$PWD/.local/tests/pytest.log
mkdir -p .local/tests .local/coverage
DELIVERY_RUN=$(cat /proc/sys/kernel/random/uuid) # marks every process of this run
export DELIVERY_RUN

trap : INT TERM # pytest tears down on INT; then this script looks for leftovers all the same
.venv/bin/python -m demo.leftovers remember "$before"
rm -f .local/coverage/data*

status=0
timeout --foreground --signal=INT --kill-after=120 "$limit_s" \
    .venv/bin/python -m pytest -n 2 --dist loadfile --cov --cov-report=term --durations=15 2>&1 | tee -i "$log" || status=$?
[ "$status" != 124 ] || printf 'error: tests: not done after %s s; pytest was interrupted; see %s\n' "$limit_s" "$log" >&2
.venv/bin/python -m demo.leftovers check "$before" || status=1
[ "$status" = 0 ] || printf 'tests: logs are in %s/.local (pytest: %s)\n' "$PWD" "$log" >&2
exit "$status"
