#!/bin/bash
errorExit() {
    echo "*** $*" 1>&2
    exit 1
}

curl --silent --max-time 2 --insecure https://localhost:6443/healthz -o /dev/null || errorExit "healthz failed"
if ip addr | grep -q 10.98.0.100; then
    curl --silent --max-time 2 --insecure https://10.98.0.100:6443/healthz -o /dev/null || errorExit "healthz failed at the address"
fi
