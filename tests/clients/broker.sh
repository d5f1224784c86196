# Sourced by the runs beside it. Makes the directory `work`, which goes when the run ends, and with `start_broker` a broker
# whose `port` it sets and which ends with the run. LEVERET names the binary; without it, it is built.
work=$(mktemp -d)
broker=
end_broker() {
  if [[ -n $broker ]]; then kill "$broker" 2>/dev/null || true; wait "$broker" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap end_broker EXIT

start_broker() {
  local root line
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  if [[ -z ${LEVERET:-} ]]; then
    LEVERET=$(cd "$root" && cargo build --release --message-format=json 2>/dev/null |
      python3 -c 'import json,sys; print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable")][-1])')
  fi
  mkfifo "$work/announcement"
  "$LEVERET" server --data-dir "$work/data" --set listeners.tcp.default=127.0.0.1:0 --set management.tcp.port=none \
    --set log.console.level=error >"$work/announcement" &
  broker=$!
  exec 3<"$work/announcement"
  port=
  while [[ -z $port ]] && read -r -t 10 line <&3; do
    if [[ $line =~ AMQP\ on\ [^\ ]*:([0-9]+) ]]; then port=${BASH_REMATCH[1]}; fi
  done
  [[ -n $port ]] || { echo 'the broker did not say where it listens' >&2; exit 1; }
}
