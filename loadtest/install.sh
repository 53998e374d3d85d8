#!/bin/sh
# Installs Debian packages that are missing, as root or through sudo; otherwise prints what to install.
#
#   install.sh PACKAGE...
#
# Services that a package would start (Kamailio takes port 5060) are neither started nor enabled.
set -eu

missing=
for package in "$@"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

if ! command -v apt-get >/dev/null; then
    echo "Missing, and this is no Debian machine. Please install:$missing" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ] && ! { command -v sudo >/dev/null && sudo -n true 2>/dev/null; } && ! [ -t 0 ]; then
    echo "Missing, and neither root nor sudo is at hand. Please run as root:" >&2
    echo "    apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    trap 'as_root rm -f $policy' EXIT
fi

echo "Installing:$missing"
as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# shellcheck disable=SC2086 # The list is made of single words.
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
for service in kamailio rtpengine-daemon; do
    case " $missing " in
        *" $service "*)
            if [ -d /run/systemd/system ]; then as_root systemctl disable --quiet $service; fi
            ;;
    esac
done
