#!/usr/bin/env bash
# Builds dist/ (TypeScript, BPF objects, native programs, manual pages, completions) and oclif.manifest.json. All is made in .build/ first and moved
# into place at the end: a failed build leaves the last good one, and a running overlay never sees half of one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

exec 9>node_modules/.overlay-build-lock
flock -w 120 9 || fail 1 'another build has held the lock node_modules/.overlay-build-lock for 120 s'

rm -rf .build
trap 'rm -rf .build' EXIT
mkdir -p .build/dist/bpf .build/dist/native
cp package.json .build/

node_modules/.bin/tsc -p tsconfig.json --outDir .build/dist

# linux/types.h includes asm/types.h, which Debian keeps in the directory of the architecture.
arch_include="/usr/include/$(uname -m)-linux-gnu"
case "$(uname -m)" in
  x86_64) bpf_arch=x86 ;;
  aarch64) bpf_arch=arm64 ;;
  *) fail 5 "there is no BPF build for the architecture $(uname -m)" ;;
esac
for source in bpf/*.bpf.c; do
  object=".build/dist/bpf/$(basename "$source" .c).o"
  clang -O2 -g -target bpf -D"__TARGET_ARCH_$bpf_arch" -Wall -Wextra -Werror -I "$arch_include" -c "$source" -o "$object"
  # DWARF is only for debuggers; BTF, which the kernel wants, stays.
  if command -v llvm-strip >/dev/null; then llvm-strip -g "$object"; fi
done

for source in src/native/*.c; do
  cc -O2 -pthread -Wall -Wextra -Werror -o ".build/dist/native/$(basename "$source" .c)" "$source"
done

for source in src/native/preload/*.c; do
  cc -O2 -shared -fPIC -Wall -Wextra -Werror -o ".build/dist/native/$(basename "$source" .c).so" "$source"
done

(cd .build && OCLIF_SKIP_NEW_VERSION_CHECK=true ../node_modules/.bin/oclif manifest . >/dev/null)
# oclif writes the commands in the order in which their modules happened to load, which differs from run to run.
node -e '
  const { readFileSync, writeFileSync } = require("node:fs")
  const [path] = process.argv.slice(1)
  const manifest = JSON.parse(readFileSync(path, "utf8"))
  const byName = ([a], [b]) => (a < b ? -1 : 1)
  manifest.commands = Object.fromEntries(Object.entries(manifest.commands).sort(byName))
  writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`)
' .build/oclif.manifest.json

node .build/dist/lib/manual/make.js .build/oclif.manifest.json package.json .build/dist

rm -rf dist
mv .build/dist dist
if ! cmp -s .build/oclif.manifest.json oclif.manifest.json; then
  mv .build/oclif.manifest.json oclif.manifest.json
  say 'oclif.manifest.json has changed: commit it'
fi
