#!/bin/sh
# The tour's service. It runs in its own directory, writes a heartbeat, and ends when its pid file is no longer its own,
# when its directory is gone, or after an hour, so that a forgotten tour ends completely.
. etc/service.conf || exit 1
. etc/logging.conf || exit 1
cat etc/service.conf etc/logging.conf | sha256sum > run/service.config
echo $$ > run/service.pid.new && mv run/service.pid.new run/service.pid
[ "$log_level" = quiet ] || echo "started with log_level=$log_level"
ends=$(($(date +%s) + 3600))
while [ "$(cat run/service.pid 2>/dev/null)" = $$ ] && [ "$(date +%s)" -lt "$ends" ]; do
    date +%s > run/heartbeat
    [ "$log_level" = verbose ] && echo "alive"
    sleep "$interval"
done
