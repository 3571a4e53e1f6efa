#!/bin/sh

VIP=10.54.0.100
PORT=6443

fail() {
    echo "$*" 1>&2
    exit 1
}

curl --silent --max-time 2 --insecure https://localhost:${PORT}/healthz -o /dev/null || fail "localhost:${PORT}"
if ip addr | grep -q ${VIP}; then
    curl --silent --max-time 2 --insecure https://${VIP}:${PORT}/healthz -o /dev/null || fail "${VIP}:${PORT}"
fi
