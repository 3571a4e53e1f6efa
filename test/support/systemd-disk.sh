# The files of a machine of systemd-machine.ts: this machine's own under an overlay that is thrown away. They last from one boot to the next.
# Arguments: an empty folder, the machine's name, then pairs of a file or folder and where it is to be.
set -eu
base=$1
name=$2
shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
root=$base/root
for folder in var/lib var/log opt usr/local/bin; do mount -t tmpfs -o mode=755 tmpfs "$root/$folder"; done
# None of this machine's own services, users of etcd, and Kubernetes.
rm -rf "$root/etc/systemd/system" "$root/etc/kubernetes" "$root/etc/hale"
mkdir -p "$root/etc/systemd/system" "$root/var/lib/systemd"
sed -i /^etcd:/d "$root/etc/passwd" "$root/etc/group" "$root/etc/shadow" "$root/etc/gshadow" 2>/dev/null || true
: >"$root/etc/machine-id"
echo "$name" >"$root/etc/hostname"
# They would act on this machine's kernel, and nobody logs in.
for unit in systemd-sysctl.service systemd-modules-load.service systemd-journald-audit.socket systemd-udevd.service systemd-remount-fs.service \
  systemd-logind.service getty.target; do
  ln -s /dev/null "$root/etc/systemd/system/$unit"
done
while [ $# -ge 2 ]; do
  mkdir -p "$root$(dirname "$2")"
  if [ -d "$1" ]; then mkdir -p "$root$2"; else : >"$root$2"; fi
  mount --bind "$1" "$root$2"
  shift 2
done
echo made
exec sleep infinity
