#!/bin/bash

flag=$(systemctl status haproxy &>/dev/null;echo $?)

if [ $flag -ne 0 ];then
  echo "haproxy is down, stopping keepalived"
  systemctl stop keepalived
fi
