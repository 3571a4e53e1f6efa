# PID 1 of a machine of test/support/systemd-machine.ts: this machine's files under an overlay that is thrown away, and a systemd of its own on them.
# Arguments: an empty folder, then pairs of a file or folder and where it is to be.
set -eu
base=$1
shift
mount --make-rprivate /
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
root=$base/root
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for folder in run tmp dev var/lib var/log opt usr/local/bin; do mount -t tmpfs -o mode=755 tmpfs "$root/$folder"; done
mkdir "$root/dev/shm" "$root/dev/pts" "$root/var/lib/systemd"
chmod 1777 "$root/tmp" "$root/dev/shm"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
# None of this machine's own services, users of etcd, and Kubernetes.
rm -rf "$root/etc/systemd/system" "$root/etc/kubernetes" "$root/etc/hale"
mkdir -p "$root/etc/systemd/system" "$root/var/lib/systemd"
sed -i /^etcd:/d "$root/etc/passwd" "$root/etc/group" "$root/etc/shadow" "$root/etc/gshadow" 2>/dev/null || true
: >"$root/etc/machine-id"
# They would act on this machine's kernel.
for unit in systemd-sysctl.service systemd-modules-load.service systemd-journald-audit.socket systemd-udevd.service systemd-remount-fs.service; do
  ln -s /dev/null "$root/etc/systemd/system/$unit"
done
while [ $# -ge 2 ]; do
  mkdir -p "$root$(dirname "$2")"
  if [ -d "$1" ]; then mkdir -p "$root$2"; else : >"$root$2"; fi
  mount --bind "$1" "$root$2"
  shift 2
done
ip link set lo up
ip link add eth0 type veth peer name wire
# The other end is in the same namespace, and keeps quiet.
echo 8 >/proc/sys/net/ipv4/conf/wire/arp_ignore
echo 2 >/proc/sys/net/ipv4/conf/wire/arp_announce
echo 1 >/proc/sys/net/ipv6/conf/wire/disable_ipv6
ip link set wire up
ip link set eth0 up
# What systemd mounts for a unit shows in the machine; outside a container it would do this itself.
mount --make-rshared "$root"
cd "$root"
exec env -i container=hale-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot . /lib/systemd/systemd --system --unit=basic.target --show-status=false --log-target=journal
