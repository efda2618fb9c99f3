#!/usr/bin/env bash
# Sets this machine up when something is missing, then shows what a zero-RTT middle leg saves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

bash scripts/setup.sh
((EUID == 0)) || fail 5 'the demo builds network namespaces, which needs root: sudo npm run demo'
exec bin/run.js demo "$@"
