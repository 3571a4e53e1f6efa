#!/bin/sh
curl -sfL https://get.k3s.io | K3S_KUBECONFIG_MODE="644" K3S_TOKEN="WayToSimple" sh -s - server \
    --cluster-init
