#!/bin/sh
# Installs ten, and slum as a second name of it: downloads the binary for this machine, checks its SHA-256, needs no root.
# The whole script is one function, so that a download that breaks off runs nothing.
set -eu

usage() {
  cat <<'EOF'
usage: TEN_BASE_URL=URL sh install.sh [--prefix DIR] [--version V]

  --prefix DIR   install DIR/bin/ten and DIR/bin/slum; default: /usr/local if it is writable, else ~/.local
  --version V    the release of that number instead of the newest

  TEN_BASE_URL   where the releases are: the newest in it, each one also in v<number>/ below it.
                 http, https or file
EOF
}

fail() {
  echo "error: $1" >&2
  [ $# -lt 2 ] || echo "hint: $2" >&2
  exit 1
}

main() {
  base=${TEN_BASE_URL:-}
  prefix=
  version=
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --prefix | --version) [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 has no value" ;;
    esac
    case $1 in
      --prefix) prefix=$2; shift 2 ;;
      --version) version=${2#v}; shift 2 ;;
      *) usage >&2; fail "unknown argument: $1" ;;
    esac
  done
  [ -n "$base" ] || fail "TEN_BASE_URL is not set" "set it to the URL that holds the releases"
  from=${base%/}${version:+/v$version}
  name=ten-$(target)
  if [ -z "$prefix" ]; then
    if [ -w /usr/local/bin ]; then prefix=/usr/local; else prefix=${HOME:?}/.local; fi
  fi
  bin=$prefix/bin
  { mkdir -p "$bin" && [ -w "$bin" ]; } 2>/dev/null || fail "cannot write to $bin" "choose another with --prefix DIR"

  # In the directory itself, so that the last step is one rename, also while an older ten runs.
  work=$(mktemp -d "$bin/.ten-install.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  fetch "$from/SHA256SUMS" "$work/SHA256SUMS"
  wanted=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1 }' "$work/SHA256SUMS")
  [ -n "$wanted" ] || fail "$from/SHA256SUMS does not list $name" "there is no release for this machine there"

  if [ -f "$bin/ten" ] && [ "$(sha256 "$bin/ten")" = "$wanted" ]; then
    did="is already in"
  else
    fetch "$from/$name" "$work/ten"
    [ "$(sha256 "$work/ten")" = "$wanted" ] ||
      fail "$from/$name is not what SHA256SUMS says" "nothing was installed; try again, and if it stays so, tell the publisher"
    chmod 755 "$work/ten"
    "$work/ten" --version >/dev/null 2>&1 || fail "$name does not run on this machine" "nothing was installed"
    mv -f "$work/ten" "$bin/ten"
    did="installed in"
  fi
  ln -sf ten "$bin/slum"
  echo "$("$bin/ten" --version) $did $bin, with slum beside it"
  case ":$PATH:" in
    *":$bin:"*) ;;
    *) echo "hint: $bin is not in PATH: export PATH=\"$bin:\$PATH\"" >&2 ;;
  esac
}

# The release for this machine, as build.ts names it.
target() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) fail "no release for $(uname -s)" "ten runs on Linux and macOS" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    arm64 | aarch64) arch=arm64 ;;
    *) fail "no release for $(uname -m)" "ten runs on x64 and arm64" ;;
  esac
  libc=
  if [ $os = linux ] && ls /lib/ld-musl-* >/dev/null 2>&1 && ! ls /lib*/ld-linux* /lib*/*/ld-linux* >/dev/null 2>&1; then
    libc=-musl
  fi
  # A shell under Rosetta says x86_64 on an arm64 machine.
  if [ $os = darwin ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" = 1 ]; then arch=arm64; fi
  echo "$os-$arch$libc"
}

fetch() {
  case $1 in
    file://*) cp "${1#file://}" "$2" 2>/dev/null || fail "cannot read $1" "is TEN_BASE_URL right, and --version a release?" ;;
    http://* | https://*)
      if command -v curl >/dev/null; then curl -fsSL --retry 2 -o "$2" "$1"; else wget -qO "$2" "$1"; fi ||
        fail "cannot download $1" "is TEN_BASE_URL right, and --version a release?" ;;
    *) fail "TEN_BASE_URL is $base" "it begins with https://, http:// or file://" ;;
  esac
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

main "$@"
