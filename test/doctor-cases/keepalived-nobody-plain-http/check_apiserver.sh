#!/bin/sh

APISERVER_VIP=10.60.0.60
APISERVER_DEST_PORT=8888
PROTO=http

errorExit() {
    echo "$*" 1>&2
    exit 1
}

curl --silent --max-time 2 --insecure ${PROTO}://localhost:${APISERVER_DEST_PORT}/ -o /dev/null || errorExit "GET ${PROTO}://localhost:${APISERVER_DEST_PORT}/"
if ip addr | grep -q ${APISERVER_VIP}; then
    curl --silent --max-time 2 --insecure ${PROTO}://${APISERVER_VIP}:${APISERVER_DEST_PORT}/ -o /dev/null || errorExit "GET ${PROTO}://${APISERVER_VIP}:${APISERVER_DEST_PORT}/"
fi
