#!/bin/sh
# Fetches what test/support/guest-kernel.ts runs: qemu (as root; 17 MB to download, 82 MB installed) and Debian's cloud kernel (27 MB to download,
# 105 MB unpacked), which is not installed but unpacked into node_modules/.guest-kernel.
set -eu
[ "$(uname -m)" = x86_64 ] || exit 0
cd "$(dirname "$0")/.."
folder="$PWD/node_modules/.guest-kernel"
say() { echo "guest-kernel: $*" >&2; }

if ! command -v qemu-system-x86_64 >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ]; then
    say "run this as root, then run this command again: apt-get update && apt-get install --yes --no-install-recommends qemu-system-x86"
    exit 1
  fi
  say "installing the Debian package qemu-system-x86"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends qemu-system-x86; } >&2
fi
if [ ! -d "$folder/boot" ]; then
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  say "unpacking $package into $folder"
  download=$(mktemp -d)
  trap 'rm -rf "$download"' EXIT
  (cd "$download" && apt-get download "$package" >&2)
  dpkg-deb --extract "$download"/*.deb "$folder.new"
  rm -rf "$folder"
  mv "$folder.new" "$folder"
fi
