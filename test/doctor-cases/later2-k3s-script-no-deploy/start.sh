#!/bin/bash
VIP=10.100.30.200
ssh cp1 "sudo k3s server --cluster-init --tls-san $VIP --no-deploy servicelb --disable-cloud-controller --token=test"
sleep 60
ssh cp2 "sudo k3s server --server https://$VIP:6443 --token=test"
ssh cp3 "sudo k3s server --server https://$VIP:6443 --token=test"
