#!/bin/bash
/usr/local/bin/lvscare care \
--vs 10.97.10.10:8443 \
--mode link \
--logger INFO \
--rs 10.97.27.11:6443 \
--rs 10.97.27.12:6443 \
--rs 10.97.27.13:6443 \
--health-insecure-skip-verify true \
--health-status 401,403,200,201 \
--health-schem https \
--health-path "/livez" \
--interval 2
