#!/usr/bin/env bash
# Builds the image. Needs Docker; and Rust, unless a binary is named.
#
#   deploy/docker/build.sh                          builds a static binary, and of it distrifs:latest
#   deploy/docker/build.sh --tag distrifs:0.1.0     another name
#   deploy/docker/build.sh --binary ./distrifs      of a binary that is there: a static one as it is, any other with the
#                                                   libraries that it names
#
# The binary is linked against glibc, statically: `-C target-feature=+crt-static` needs no other toolchain than the one that
# builds everything else (a musl target works, too, where it is installed). glibc's own resolver reads /etc/hosts and
# /etc/resolv.conf, which the engine puts there. `--target` must be named, as the flag is not for build scripts; and
# getrandom is told to call the kernel, as an image has no /dev when it is started in a bare root.
set -euo pipefail
cd "$(dirname "$0")/../.."

tag=distrifs:latest
binary=
while [ $# -gt 0 ]; do
    case $1 in
        --tag) tag=${2:?--tag NAME}; shift 2 ;;
        --binary) binary=${2:?--binary FILE}; shift 2 ;;
        *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done

if [ -z "$binary" ]; then
    target=$(uname -m)-unknown-linux-gnu
    profile=${PROFILE:-dist}
    directory=${CARGO_TARGET_DIR:-target/static}
    RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"' \
        CARGO_TARGET_DIR=$directory \
        cargo build --package cli --profile "$profile" --target "$target"
    binary=$directory/$target/$profile/distrifs
fi

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/rootfs
mkdir -p "$root/usr/bin" "$root/etc" "$root/tmp" "$stage/data/distrifs"
chmod 1777 "$root/tmp"
objcopy --strip-debug "$binary" "$root/usr/bin/distrifs" 2>/dev/null || cp "$binary" "$root/usr/bin/distrifs"
chmod 755 "$root/usr/bin/distrifs"
# Who runs as what: the servers' user is the superuser of a new cluster, and it is called by a name.
echo 'distrifs:x:65532:65532:DistriFS:/var/lib/distrifs:/usr/bin/distrifs' >"$root/etc/passwd"
echo 'distrifs:x:65532:' >"$root/etc/group"
# What a dynamic binary names, where it looks for it. Nothing, for a static one.
for library in $(ldd "$binary" 2>/dev/null | grep -o '/[^ ]*' || true); do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done

docker build --quiet --tag "$tag" --file deploy/docker/Dockerfile "$stage"
