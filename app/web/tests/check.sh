#!/bin/sh
# The unit test of web: every configuration that entrypoint.sh can write is one that nginx takes, and
# malformed faults are refused. Run by the Dockerfile's test stage.
set -eu
cd "$(dirname "$0")/.."
RUN_DIR=$(mktemp -d)
export RUN_DIR
export APP_ENVIRONMENT=production
failed=0

check() { # expected exit code, fault, a text the configuration must hold
	code=0
	APP_VERSION=1.2.3+b.4 APP_FAULT=$2 sh entrypoint.sh --render 2>"$RUN_DIR/said" || code=$?
	if [ "$code" != "$1" ]; then
		echo "APP_FAULT='$2': exit code $code, expected $1: $(cat "$RUN_DIR/said")"
		failed=1
	elif [ "$1" = 0 ]; then
		nginx -t -q -c "$RUN_DIR/nginx.conf" || failed=1
		grep -qF "$3" "$RUN_DIR/nginx.conf" || { echo "APP_FAULT='$2': no '$3' in the configuration"; failed=1; }
	fi
}

check 0 '' "return 200 '{\"ready\":true"
check 0 '' 'sub_filter @VERSION@ "1.2.3+b.4"'
check 0 'errors:0.305,after=0' '30.50% 1;'
check 0 'errors:1,after=0s' '100.00% 1;'
check 0 'errors:0.5' '* 0;'
check 0 'errors:0,after=0' '* 0;'
check 0 'never_ready' 'return 503'
check 0 'never_ready@production' 'return 503'
check 0 'never_ready@staging' 'return 200'
check 0 'slow:2' 'return 200'
check 0 'leak:1' 'return 200'
check 1 'crash' ''
check 0 'crash@staging' 'return 200'
for malformed in 'errors' 'errors:2' 'errors:x' 'error:0.1' 'never_ready,later=3' 'crash,after=3' 'errors:1@' 'errors:1,after=1.5'; do
	check 2 "$malformed" ''
done
[ "$failed" = 0 ] && echo "web: every configuration is valid"
exit "$failed"
