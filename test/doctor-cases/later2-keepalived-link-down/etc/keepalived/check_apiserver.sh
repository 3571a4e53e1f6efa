#!/bin/sh
systemctl is-active haproxy
if [ $? -eq 0 ];then
  exit 0
else
  ip link set ens32 down
fi
