#!/bin/sh
kubeadm join 10.78.1.100:6443 --token 9vt5xb.2ry0tf2f5n7xkmqv \
  --discovery-token-ca-cert-hash sha256:e1a3f0f9f0a3e6b1b6c2f4a7d0e9c8b7a6f5e4d3c2b1a0f9e8d7c6b5a4938271 \
  --control-plane \
  --apiserver-advertise-address=10.78.1.102
