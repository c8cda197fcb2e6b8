# bench/lib.sh: what benchmarks against real servers share. Sourced after `settle` and `tools` are set; goes to a folder of
# its own, that vanishes at the end with every process in `pids`.
work=$(mktemp -d)
pids=()
clean_up() {
  local pid
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"

fail() { echo "$(basename "$0"): $*" >&2; exit 1; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 20000))
    if ! answers $port; then echo $port && return; fi
  done
  fail "no free port on 127.0.0.1"
}
get() { # PORT PATH: the body
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$1"
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
  while IFS= read -r line <&3 && [ -n "${line%$'\r'}" ]; do :; done
  cat <&3
  exec 3>&-
}
send_file() { # PORT PATH FILE
  exec 3<>"/dev/tcp/127.0.0.1/$1"
  printf 'POST %s HTTP/1.0\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n' "$2" "$(stat -c %s "$3")" >&3
  cat "$3" >&3
  head -n 1 <&3 | grep -q ' 20[04] ' || fail "VictoriaMetrics refused $3"
  exec 3>&-
}
until_answers() { # PORT PID LOG
  for _ in {1..2000}; do
    if answers "$1"; then return 0; fi
    kill -0 "$2" 2>/dev/null || { tail "$3" >&2; fail "a server did not start"; }
    sleep 0.005
  done
  fail "a server does not listen"
}
ms() { echo $(($(date +%s%N) / 1000000)); }
start_tsdb() { # ARGUMENTS...: a VictoriaMetrics; sets tsdb and tsdb_port
  tsdb_port=$(free_port)
  "$tools/victoria-metrics" -storageDataPath="$work/tsdb" -httpListenAddr="127.0.0.1:$tsdb_port" -retentionPeriod=100y \
    -maxInsertRequestSize=268435456 "$@" >tsdb.log 2>&1 &
  tsdb=$!
  pids+=($tsdb)
  until_answers "$tsdb_port" $tsdb tsdb.log
}
start_settle() { # with settle.yaml; sets daemon and port
  port=${port:-$(free_port)}
  "$settle" serve --config settle.yaml --listen "127.0.0.1:$port" >settle.log 2>&1 &
  daemon=$!
  pids+=($daemon)
  until_answers "$port" $daemon settle.log
}
