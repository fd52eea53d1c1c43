#!/bin/bash
# Exit 0 while a version of the model is AVAILABLE and the server is not being stopped.
#
#   health.sh MODEL REST_PORT
#
# Asks the REST API (GET /v1/models/MODEL) through bash's /dev/tcp: the image of TensorFlow Serving
# has no curl. An open port alone would not tell whether the model was loaded.
set -u

model=${1:?usage: health.sh MODEL REST_PORT}
port=${2:?usage: health.sh MODEL REST_PORT}
seconds=3

if [[ -e ${DRAIN_MARK:-/tmp/draining} ]]; then
  echo "stopping"
  exit 1
fi
if ! { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null; then
  echo "nothing listens on port $port"
  exit 1
fi
# HTTP/1.0: the server closes the connection behind its answer, and sends it in one piece.
printf 'GET /v1/models/%s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$model" >&3
answer=''
IFS= read -r -d '' -t "$seconds" -u 3 answer # fails at the end of the stream, having read it
if [[ $answer =~ \"state\":[[:space:]]*\"AVAILABLE\" ]]; then
  echo "$model is available"
  exit 0
fi
echo "$model is not available: ${answer:-no answer within $seconds seconds}"
exit 1
