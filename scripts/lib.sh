# Shared by the scripts here: sourced, never run.

say() { printf '%s\n' "$*" >&2; }

fail() { # fail EXIT-CODE MESSAGE…
  local code=$1
  say "Error: $2"
  shift 2
  if (($# > 0)); then printf '  %s\n' "$@" >&2; fi
  exit "$code"
}

# step TITLE COMMAND…: silent when COMMAND succeeds within 5 s; a line when it takes longer and one each half minute after
# that; the end of its log when it fails. Returns what COMMAND returned.
step() {
  local title=$1 log pid status=0 waited=0
  shift
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  trap 'kill -- "$pid" 2>/dev/null || true; rm -f -- "$log"; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.1
    waited=$((waited + 1))
    if ((waited == 50)); then say "$title …"; fi
    if ((waited > 50 && waited % 300 == 0)); then say "  $((waited / 10)) s: $(tail -n 1 "$log" | cut -c 1-120)"; fi
  done
  wait "$pid" || status=$?
  trap - INT TERM
  if ((status != 0)); then
    say "$title: failed with exit code $status; the end of its log:"
    tail -n 40 "$log" | sed 's/^/  | /' >&2
  fi
  rm -f -- "$log"
  return "$status"
}
