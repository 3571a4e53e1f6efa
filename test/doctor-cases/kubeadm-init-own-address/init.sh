#!/bin/bash

if hostname | grep -q "cp-0"; then
  MASTER_IP=$(hostname -I | awk '{print $1}')

  kubeadm init \
    --control-plane-endpoint "${MASTER_IP}:6443" \
    --upload-certs \
    --pod-network-cidr=10.244.0.0/16
fi
