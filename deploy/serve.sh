#!/bin/bash
# Run the model server; on SIGTERM let running calls end, then stop it and exit 0.
#
#   serve.sh COMMAND [ARGUMENT...]
#
# TensorFlow Serving handles no SIGTERM. As a container's first process it would not even die of
# one, and be killed with its calls when the time to stop runs out; under an init it would die at
# once, with its calls as well. So this script is the first process. On SIGTERM it turns the health
# check red (the mark that health.sh looks for), waits DRAIN_SECONDS, in which whoever routes calls
# sends no more, and then ends the server.
set -u

mark=${DRAIN_MARK:-/tmp/draining}
seconds=${DRAIN_SECONDS:-5}
stopped=false

# shellcheck disable=SC2317,SC2329  # the trap calls it
drain() {
  sleep "$seconds" & # before the next line: what is ignored stays ignored in what is started
  trap '' TERM INT
  stopped=true
  echo "serve: stopping; running calls have $seconds seconds to end" >&2
  { : >"$mark"; } 2>/dev/null || echo "serve: $mark cannot be written; the health check stays green" >&2
  wait -n "$server" $! # whichever ends first
  kill -TERM "$server" $! 2>/dev/null
}

rm -f "$mark"
trap drain TERM INT
"$@" &
server=$!
wait "$server"
status=$?
# A signal ends `wait` early, with the server still running.
while kill -0 "$server" 2>/dev/null; do
  wait "$server"
  status=$?
done
rm -f "$mark"
$stopped && exit 0
exit "$status"
