#!/bin/sh
# Installs ten, and slum as a second name of it: downloads the binary for this machine, checks signature and SHA-256, needs no root.
# Nothing runs before the last line is there: a download that breaks off does nothing.
set -eu

# Filled in by the release: where it is published, and the public key (Ed25519, base64 of its DER) that its SHA256SUMS are signed with.
RELEASES=
KEY=

usage() {
  cat <<'EOT'
usage: sh install.sh [--prefix DIR] [--version V] [--no-signature] [--uninstall]

  --prefix DIR     install DIR/bin/ten and DIR/bin/slum; default: /usr/local if it is writable, else ~/.local
  --version V      the release of that number instead of the newest
  --no-signature   where no openssl 3 is there to check it: rely on https alone
  --uninstall      remove ten and slum again; data, units and tenement.toml stay

  TEN_BASE_URL     where the releases are, if not where this script is from: the newest in it, each one also in
                   v<number>/ below it. https, http or file
EOT
}

fail() {
  echo "error: $1" >&2
  [ $# -lt 2 ] || echo "hint: $2" >&2
  exit 1
}

main() {
  base=${TEN_BASE_URL:-$RELEASES}
  prefix=
  version=
  unsigned=
  uninstall=
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --prefix | --version) [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 has no value" ;;
    esac
    case $1 in
      --prefix) prefix=$2; shift 2 ;;
      --version) version=${2#v}; shift 2 ;;
      --no-signature) unsigned=1; shift ;;
      --uninstall) uninstall=1; shift ;;
      *) usage >&2; fail "unknown argument: $1" ;;
    esac
  done
  [ -z "$uninstall" ] || { remove; exit; }
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
  verify
  wanted=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1 }' "$work/SHA256SUMS")
  [ -n "$wanted" ] || fail "$from/SHA256SUMS does not list $name" "there is no release for this machine there"

  if [ -f "$bin/ten" ] && [ "$(sha256 "$bin/ten")" = "$wanted" ]; then
    did="is already in"
  else
    fetch "$from/$name" "$work/ten"
    [ "$(sha256 "$work/ten")" = "$wanted" ] ||
      fail "$from/$name is not what SHA256SUMS says" "nothing was installed; try again, and if it stays so, tell the publisher"
    chmod 755 "$work/ten"
    said=$("$work/ten" --version 2>&1) || refuse $? "$said"
    mv -f "$work/ten" "$bin/ten"
    did="installed in"
  fi
  ln -sf ten "$bin/slum"
  echo "$("$bin/ten" --version) $did $bin, with slum beside it"
  case ":$PATH:" in
    *":$bin:"*) echo "hint: look at it with: ten demo; in the directory of an app: ten init" >&2 ;;
    *) echo "hint: $bin is not in PATH: export PATH=\"$bin:\$PATH\"" >&2 ;;
  esac
}

# Takes away what main has installed: of several what this user may, as a ten of the machine's is not his.
remove() {
  for one in ${prefix:+"$prefix"} ${prefix:-/usr/local "${HOME:-/nonexistent}/.local"}; do
    [ -e "$one/bin/ten" ] || continue
    [ -n "$prefix" ] || [ -w "$one/bin" ] || { others=$one/bin/ten; continue; }
    unit=$(grep -ls "^ExecStart=\"*$one/bin/ten " /etc/systemd/system/*.service "${XDG_CONFIG_HOME:-${HOME:-/nonexistent}/.config}"/systemd/user/*.service 2>/dev/null | head -n 1)
    [ -z "$unit" ] || fail "$unit runs $one/bin/ten" "first: ten uninstall (--user-unit for a unit of your own)"
    rm -f "$one/bin/ten" 2>/dev/null || fail "cannot remove $one/bin/ten" "run it as its owner, with sudo"
    [ "$(readlink "$one/bin/slum" 2>/dev/null)" != ten ] || rm -f "$one/bin/slum"
    echo "removed $one/bin/ten and slum"
    echo "hint: data stays in /var/lib/ten, /var/lib/slum, ~/.local/state/ten and ~/.local/state/slum" >&2
    return
  done
  [ -z "${others:-}" ] || fail "cannot remove $others" "run it as its owner, with sudo"
  echo "nothing to do: there is no ten in ${prefix:-/usr/local and ~/.local}"
}

# The sums are what the publisher signed.
verify() {
  [ -n "$KEY" ] && [ -z "$unsigned" ] || return 0
  openssl version 2>/dev/null | grep -q '^OpenSSL [3-9]' ||
    fail "no openssl 3 is here to check the signature" "install openssl, or rely on https alone: --no-signature"
  fetch "$from/SHA256SUMS.sig" "$work/SHA256SUMS.sig"
  printf -- '-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n' "$KEY" >"$work/key.pem"
  openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin -in "$work/SHA256SUMS" -sigfile "$work/SHA256SUMS.sig" >/dev/null 2>&1 ||
    fail "$from/SHA256SUMS is not signed by the publisher" "nothing was installed; tell the publisher"
}

# A binary that does not run says why in the loader's or the kernel's words; 132 is what a shell makes of SIGILL.
refuse() {
  hint="nothing was installed"
  why=${2:-it ended with code $1}
  if [ "$1" = 132 ]; then
    why="illegal instruction"
    hint="this processor lacks SSE4.2; in a virtual machine choose the host's processor type"
  elif [ "${name%-musl*}" != "$name" ] && ! [ -e /usr/lib/libstdc++.so.6 ]; then
    hint="first: apk add libstdc++ libgcc"
  fi
  fail "$name does not run on this machine: $why" "$hint"
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
    https://*) download "$1" "$2" '=https' --https-only ;;
    http://*) download "$1" "$2" '=http,https' ;;
    *) fail "TEN_BASE_URL is $base" "it begins with https://, http:// or file://" ;;
  esac
}

# What begins with https ends with it: redirects to http are not followed.
download() {
  if command -v curl >/dev/null; then
    curl -fsSL --proto "$3" --proto-redir "$3" --retry 2 -o "$2" "$1"
  else
    strict=
    if [ -n "${4:-}" ] && wget --help 2>&1 | grep -q -e "$4"; then strict=$4; fi
    wget -q ${strict:+"$strict"} -O "$2" "$1"
  fi ||
    fail "cannot download $1" "is TEN_BASE_URL right, and --version a release?"
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

{ main "$@"; exit; }
