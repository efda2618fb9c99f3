#!/usr/bin/env bash
# Everything that must hold before a change lands: set-up, lint, types, the manifest, unit tests, lab tests. All of them run
# also when one fails; the last line is `N passed, N failed` over all. Under CI=true a test that was skipped has failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

bash scripts/setup.sh || fail $? 'the set-up failed, so nothing was tested'

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
passed=0 failed=0 skipped=0
# mocha colours its output under CI also where nobody sees it.
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then colour=(--color); else colour=(--no-color); fi

# check NAME COMMAND…: counts as one test.
check() {
  local name=$1
  shift
  if step "$name" "$@"; then
    passed=$((passed + 1))
    say "  ✔ $name"
  else
    failed=$((failed + 1))
    say "  ✘ $name"
  fi
}

# suite NAME SECONDS COUNTS FILE…: runs test files with the settings of NAME. Its counts go to the file COUNTS; a run that
# dies before its end counts as one failure.
suite() {
  local name=$1 seconds=$2 counts=$3 status=0
  shift 3
  : >"$counts"
  OVERLAY_TEST_COUNTS=$counts timeout --signal=INT --kill-after=30 "$seconds" node_modules/.bin/mocha \
    --config "test/$name.mocharc.json" --reporter test/support/counting-reporter.js "${colour[@]}" "$@" </dev/null ||
    status=$?
  if ((status != 0)) && ! [[ -s $counts && $(awk '{print $2}' "$counts") != 0 ]]; then
    say "the $name tests ended with exit code $status before they were done"
    echo '0 1 0' >>"$counts"
  fi
}

# add COUNTS: to those of all.
add() {
  local p f s
  while read -r p f s; do passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s)); done <"$1"
}

# Lab tests that compare no times, in two lists that take about as long as each other: they run side by side, since each
# waits for most of its time. All others run alone.
BESIDE_A=(gate/pair-setup handshake/zero-rtt handshake/forged pair/etcd examples/examples relay/reload relay/replayed-opening)
BESIDE_B=(probe/middleboxes relay/middle-leg relay/flows replay/interrupted pair/client-limits)

lab_tests() {
  local a=("${BESIDE_A[@]/#/test/lab/}") b=("${BESIDE_B[@]/#/test/lab/}")
  a=("${a[@]/%/.test.ts}") b=("${b[@]/%/.test.ts}")
  say '' 'lab tests, two at a time'
  suite lab 900 "$work/b" "${b[@]}" >"$work/b.log" 2>&1 &
  suite lab 900 "$work/a" "${a[@]}"
  wait "$!"
  cat "$work/b.log"
  say '' 'lab tests, one at a time'
  local rest
  mapfile -t rest < <(find test/lab -name '*.test.ts' | sort | grep -vxF "$(printf '%s\n' "${a[@]}" "${b[@]}")")
  suite lab 1200 "$work/alone" "${rest[@]}"
  add "$work/a" && add "$work/b" && add "$work/alone"
}

# The build rewrites the manifest when commands or flags changed; CI builds from the commit, so a difference means that
# the commit came without it.
manifest_is_committed() {
  git rev-parse --git-dir >/dev/null 2>&1 || return 0
  if git diff --exit-code HEAD -- oclif.manifest.json && git ls-files --error-unmatch oclif.manifest.json; then return 0; fi
  echo 'oclif.manifest.json does not match the commands: run npm run build and commit it'
  [[ ${CI:-} != true ]]
}

# What a lab or a handshake plane could leave behind on this machine.
traces() {
  { ip netns list 2>/dev/null || true; } | sed 's/ .*//' | sort
  { find /run/overlay /sys/fs/bpf -mindepth 1 2>/dev/null || true; } | sort # either may be absent
  grep -E ' /(run/overlay|tmp/ov-)' /proc/self/mounts || true
  tc qdisc show 2>/dev/null | grep clsact || true
  nft list ruleset 2>/dev/null || true
  tr ' ' '\n' </proc/sys/net/ipv4/tcp_available_congestion_control
}

# Only what is new counts: what a run before this one left when it was killed, a lab of this one has swept.
nothing_left_behind() {
  local new
  traces >"$work/after"
  new=$(comm -13 <(sort "$work/before") <(sort "$work/after"))
  [[ -z $new ]] || { printf '%s\n' "$new" && return 1; }
}

# It takes a processor for as long as the next two together.
lint() {
  local status=0
  node_modules/.bin/eslint . >"$work/lint.log" 2>&1 || status=$?
  printf '%d' "$status" >"$work/lint.status"
}

lint_result() {
  until [[ -s $work/lint.status ]]; do sleep 0.1; done
  cat "$work/lint.log"
  return "$(<"$work/lint.status")"
}

lint &
check 'format' node_modules/.bin/prettier --check --log-level warn .
check 'types' node_modules/.bin/tsc -p test/tsconfig.json
check 'manifest' manifest_is_committed
check 'lint' lint_result
# What tests start is what was built: src/lib/cli/node-entry.ts.
export OVERLAY_START_BUILT=1
say '' 'unit tests'
suite unit 300 "$work/unit"
add "$work/unit"
if ((EUID == 0)); then
  traces >"$work/before"
  lab_tests
  # Elsewhere somebody else's lab may come and go meanwhile.
  if [[ ${CI:-} == true ]]; then check 'nothing is left behind by the lab tests' nothing_left_behind; fi
else
  say '' 'the lab tests need root: not run'
  skipped=$((skipped + 1))
fi

if [[ ${CI:-} == true ]] && ((skipped > 0)); then
  say '' "$skipped skipped, which CI counts as failed"
  failed=$((failed + skipped))
elif ((skipped > 0)); then
  say '' "$skipped skipped"
fi

printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
