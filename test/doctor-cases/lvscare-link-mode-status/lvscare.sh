#!/bin/bash
/usr/local/bin/lvscare care \
--vs 10.197.10.10:8443 \
--mode link \
--logger INFO \
--rs 10.197.27.11:6443 \
--rs 10.197.27.12:6443 \
--rs 10.197.27.13:6443 \
--health-insecure-skip-verify true \
--health-status 401,403,200,201 \
--health-schem https \
--health-path "/livez" \
--interval 2
