/** Below /, with the shell's patterns. */
const PATHS = [
  'etc/haproxy',
  'etc/keepalived',
  'etc/nginx',
  'etc/kubernetes/manifests',
  'etc/kubernetes/*.yaml',
  'var/lib/kubelet/config.yaml',
  'var/lib/kubelet/kubeadm-flags.env',
  'etc/rancher',
  'var/lib/rancher/rke2/agent/pod-manifests',
  'etc/etcd',
  'etc/default/etcd',
  'etc/default/kubelet',
  'etc/sysconfig/kubelet',
  'etc/hale/cluster.yaml',
  'etc/sysctl.conf',
  'etc/sysctl.d',
  ...['etc', 'usr/lib', 'lib'].flatMap((root) =>
    ['etcd', 'kube', 'k3s', 'rke2', 'haproxy', 'keepalived', 'nginx', 'hale', 'lvscare'].map((name) => `${root}/systemd/system/${name}*`),
  ),
];

/** Keys, certificates, kubeconfigs, tokens, and keys of encrypted Secrets are not asked for. */
const SECRET_NAMES = [
  'pki',
  'ssl',
  'tls',
  '*.key',
  '*.pem',
  '*.p12',
  '*.crt',
  '*.csr',
  '*kubeconfig*',
  'k3s.yaml',
  'rke2.yaml',
  'password',
  '*passwd*',
  '*token*',
  '*secret*',
  '*encrypt*',
];

/**
 * For sh on a host: packs every file that hale doctor may want, as root where sudo needs no password. find(1) names the regular files, so
 * nothing else is opened.
 */
export const REMOTE_SCRIPT = `cd / || exit 1; export LC_ALL=C
sudo=; [ "$(id -u)" = 0 ] || ! sudo -n true 2>/dev/null || sudo='sudo -n'
$sudo sh -c 'cd / && set -- && for path in ${PATHS.join(' ')}; do [ -e "$path" ] && set -- "$@" "$path"; done
[ $# = 0 ] || find -L "$@" \\( ${SECRET_NAMES.map((name) => `-name "${name}"`).join(' -o ')} \\) -prune -o -type f -print | tar -chf - -T -'
`;
