#!/usr/bin/env bash
# Makes a fresh Debian or Ubuntu machine ready: Debian packages, npm packages, the build. About a second when nothing is
# missing. Exit codes as docs/ERRORS.md: 1 a step failed, 5 something is missing that only you can add.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

# The -dev packages depend on the shared libraries, whose own names differ between releases (libpcap0.8, libpcap0.8t64).
packages=(
  clang llvm libbpf-dev libpcap-dev linux-libc-dev make g++ python3 # build
  iproute2 ethtool nftables                                       # run
  haproxy nginx libnginx-mod-stream                               # bench: what people use today
  etcd-server                                                     # tests and scenarios: etcd coordination
  tshark tcpdump iperf3 wrk curl openssl chromium                 # tests: clients, loads, oracles, a browser
  hping3 nmap openssh-server                                      # tests: oracles of the probe, and a target
  systemd groff-base prometheus                                   # tests: units, manual pages, metrics, as their own programs see them
)

check_node() {
  command -v node >/dev/null || fail 5 'Node.js is not installed; overlay needs version 20.19 or later (https://nodejs.org)'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail 5 "Node.js $(node --version) is too old; overlay needs v20.19 or later (https://nodejs.org)"
}

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null | sed -n 's/ installed$//p' || true)
  grep -vxFf <(printf '%s\n' "$installed") < <(printf '%s\n' "${packages[@]}") || true
}

policy=/usr/sbin/policy-rc.d
policy_mark='# made by overlay scripts/setup.sh, removed when it ends'

remove_policy() {
  if [[ -w $policy ]] && grep -qsF "$policy_mark" "$policy"; then rm -f "$policy"; fi
}

running() { grep -qsx "$1" /proc/[0-9]*/comm; }

# Installing haproxy, nginx, etcd, prometheus or sshd must not start a service that was not there. Debian asks policy-rc.d
# before each start; one that is there already belongs to somebody else and stays, and what it lets start is stopped below.
install_packages() {
  local name fresh=()
  for name in haproxy nginx etcd prometheus; do
    if [[ " $* " == *" $name"* ]] && ! running "$name"; then fresh+=("$name"); fi
  done
  if [[ " $* " == *' openssh-server '* || " $* " == *' openssh-server' ]] && ! running sshd; then fresh+=(ssh); fi
  trap remove_policy EXIT
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
    chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  step 'Reading the package lists' apt-get update -q
  step "Installing $*" apt-get install -q -y --no-install-recommends "$@"
  remove_policy
  trap - EXIT
  for name in ${fresh[@]+"${fresh[@]}"}; do
    if [[ -d /run/systemd/system ]]; then
      systemctl disable --now --quiet "$name" 2>/dev/null || true
    elif running "$name"; then
      "/etc/init.d/$name" stop >/dev/null 2>&1 || true
    fi
  done
}

debian_packages() {
  local missing line
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    fail 5 'this is no Debian or Ubuntu: install the counterparts of these packages yourself, then run npm ci && npm run build' \
      "packages: ${packages[*]}"
  fi
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} == 0)); then return 0; fi
  if ((EUID != 0)); then
    line="sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
    fail 5 "Debian packages are missing, and only root may install them. Run this line, then try again:" "$line"
  fi
  install_packages "${missing[@]}"
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} > 0)); then fail 5 "still missing after the installation: ${missing[*]}"; fi
}

# What node_modules was made from. The ABI number is in it because the native addons are built for one.
lock_stamp() { { cat package-lock.json && node -p process.versions.modules; } | sha256sum; }

npm_packages() {
  local stamp=node_modules/.overlay-stamp
  if [[ "$(cat "$stamp" 2>/dev/null)" == "$(lock_stamp)" ]]; then return 0; fi
  step 'Installing npm packages' npm ci --no-audit --no-fund --loglevel=warn
  lock_stamp >"$stamp"
}

# Everything the build reads, by name, size and time: also a removed file makes it stale.
source_stamp() {
  find src bpf bin scripts/build.sh package.json tsconfig.json oclif.manifest.json -type f -printf '%p %s %T@\n' 2>/dev/null |
    sort | sha256sum
}

build() {
  local stamp=dist/.overlay-stamp
  if [[ "$(cat "$stamp" 2>/dev/null)" == "$(source_stamp)" ]]; then return 0; fi
  step 'Building' bash scripts/build.sh
  source_stamp >"$stamp"
}

remove_policy # of a run that was killed
check_node
debian_packages
npm_packages
build
