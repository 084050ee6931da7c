#!/bin/sh
# Afterwards nginx serves the site as APP_VERSION on PORT, with the fault that APP_FAULT asks for:
#   errors:<share>, never_ready, crash (at start only); ,after=<requests>|<seconds>s; @<environment>
# as in ../contract.md. slow and leak are the backend's and change nothing here. `sh entrypoint.sh --render` only
# writes the configuration. Requests are counted by nginx, so health checks count too.
set -eu

port=${PORT:-8080}
version=${APP_VERSION:-0.0.0}
run=${RUN_DIR:-/tmp/nginx}
here=$(cd "$(dirname "$0")" && pwd)

refuse() { # what was seen
	echo "APP_FAULT '$APP_FAULT': $1; not started; kinds: errors:<share>, never_ready, crash, slow:<s>, leak:<MiB>" >&2
	exit 2
}

matches() { # text, extended regular expression
	printf '%s\n' "$1" | grep -Eq "^($2)\$"
}

render() { # status of readiness, share of errors in percent; the configuration is whole or the old one
	is_ready=true
	[ "$1" = 200 ] || is_ready=false
	pattern=$(printf '%s' "$version" | sed 's/[.+]/\\\\&/g')
	sed -e "s|@@VERSION@@|@\n@|g" -e "s|@VERSION@|$version|g" -e "s|@VERSION_PATTERN@|$pattern|g" \
		-e "s|@PORT@|$port|g" -e "s|@READY@|$1|g" -e "s|@IS_READY@|$is_ready|g" -e "s|@SHARE@|$2%|g" \
		-e "s|@SITE@|$here/site|g" -e "s|@RUN@|$run|g" -e "s|@\n@|@VERSION@|g" \
		"$here/nginx.conf" >"$run/nginx.conf.new"
	[ "$2" != 0 ] || sed -i '/^    0% 1;$/d' "$run/nginx.conf.new"
	mv "$run/nginx.conf.new" "$run/nginx.conf"
}

requests() { # how many nginx has answered so far
	wget -q -O - "http://127.0.0.1:$port/metrics" 2>/dev/null | awk 'NR == 3 { print $3 }'
}

wait_until() { # <requests> or <seconds>s
	case $1 in *s) sleep "${1%s}"; return ;; esac
	own=0 # this loop's own requests, which do not count
	until seen=$(requests) && [ -n "$seen" ] && own=$((own + 1)) && [ $((seen - own)) -ge "$1" ]; do sleep 0.2; done
}

matches "$version" '[A-Za-z0-9._+-]+' || { echo "APP_VERSION '$version': not a version; not started" >&2; exit 2; }
APP_FAULT=${APP_FAULT:-}
matches "$APP_FAULT" '|[a-z_]+(:[0-9]+(\.[0-9]+)?)?(,after=[0-9]+(\.[0-9]+s|s)?)?(@[a-z][a-z0-9-]*)?' ||
	refuse "is not <kind>[:<number>][,after=<requests>|<seconds>s][@<environment>]"
fault=${APP_FAULT%%@*}
case $APP_FAULT in *@*) [ "${APP_FAULT#*@}" = "${APP_ENVIRONMENT:-development}" ] || fault= ;; esac
after=
case $fault in *,after=*) after=${fault#*,after=} ;; esac
fault=${fault%%,*}

share=0
ready=200
case $fault in
errors:*)
	share=$(echo "${fault#*:}" | awk '{ printf "%.2f", $1 * 100 }')
	[ "$(echo "$share" | awk '{ print ($1 <= 100) }')" = 1 ] || refuse "the share of errors is from 0 to 1"
	after=${after:-50} # starts well
	;;
never_ready) ready=503 ;;
crash)
	[ -z "$after" ] || refuse "web crashes at start only"
	echo "APP_FAULT crash" >&2
	exit 1
	;;
slow:* | leak:* | '') ;;
*) refuse "there is no such kind" ;;
esac
[ "$share" != 0.00 ] || share=0

mkdir -p "$run"
case ${after:-0} in
0 | 0s) render "$ready" "$share" ;;
*)
	render 200 0
	if [ "$share$ready" != 0200 ] && [ "${1:-}" != --render ]; then
		(wait_until "$after" && render "$ready" "$share" && kill -HUP $$) &
	fi
	;;
esac
[ "${1:-}" != --render ] || exit 0
exec nginx -c "$run/nginx.conf" -g 'daemon off;'
