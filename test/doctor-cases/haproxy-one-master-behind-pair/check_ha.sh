#!/bin/sh

VIP=10.28.0.230
KUBE_PORT=6444
fail() {
  echo "$@" 1>&2
  exit 1
}

curl --silent --max-time 2 --insecure https://localhost:$KUBE_PORT/ -o /dev/null || fail "no answer at $KUBE_PORT"
if ip addr | grep -q $VIP; then
  curl --silent --max-time 2 --insecure https://$VIP:$KUBE_PORT/ -o /dev/null || fail "no answer at $VIP"
fi
