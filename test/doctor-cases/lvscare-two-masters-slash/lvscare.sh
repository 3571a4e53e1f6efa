#!/bin/sh
lvscare care --vs 10.103.97.123:6443 --rs 10.196.8.170:6443 --rs 10.196.8.160:6443 --health-path / --health-schem https
