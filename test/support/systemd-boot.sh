# PID 1 of a machine of systemd-machine.ts, from its power button to its systemd.
# Arguments: its root directory, the namespace of the LAN's switch, then its addresses.
set -eu
root=$1
lan=$2
shift 2
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$folder"; done
mkdir "$root/dev/shm" "$root/dev/pts"
chmod 1777 "$root/tmp" "$root/dev/shm"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ip link set lo up
port=$(cat "$root/etc/hostname")
# That of the boot before, which the kernel takes away in its own time.
ip -n "$lan" link delete "$port" 2>/dev/null || true
ip link add eth0 type veth peer name "$port" netns "$lan"
ip -n "$lan" link set "$port" master br0 up
ip link set eth0 up
for address; do
  case $address in *:*) ip address add "$address" dev eth0 nodad ;; *) ip address add "$address" dev eth0 ;; esac
done
# What systemd mounts for a unit shows in the machine; outside a container it would do this itself.
mount --make-rshared "$root"
cd "$root"
exec env -i container=hale-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot . /lib/systemd/systemd --system --unit=multi-user.target --show-status=false --log-target=journal
