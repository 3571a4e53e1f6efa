#!/bin/sh
kubeadm join 10.73.42.230:6443 --token 8vt5xb.1ry0tf2f5n7xkmqv --discovery-token-ca-cert-hash sha256:f1a3f0f9f0a3e6b1b6c2f4a7d0e9c8b7a6f5e4d3c2b1a0f9e8d7c6b5a4938271 --experimental-control-plane --certificate-key 5d0d5b2f6a7c8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f9a0b1c2d3e4f5a6b7
