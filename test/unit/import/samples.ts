/** HAProxy and keepalived on three hosts, as guides have them. */
export const HAPROXY = `frontend kubernetes-api
    bind *:8443
    mode tcp
    default_backend kube-masters
backend kube-masters
    balance roundrobin
    server master1 192.168.1.101:6443 check fall 3 rise 2
    server master2 192.168.1.102:6443 check fall 3 rise 2
    server master3 192.168.1.103:6443 check fall 3 rise 2
`;
export const keepalived = (own: number) => `global_defs { router_id master${own} }
vrrp_instance VI_1 {
    state BACKUP
    interface ens18
    virtual_router_id 51
    priority ${101 - own}
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass hunter42
    }
    unicast_src_ip 192.168.1.10${own}
    unicast_peer {
${[1, 2, 3]
  .filter((i) => i !== own)
  .map((i) => `        192.168.1.10${i}\n`)
  .join('')}    }
    virtual_ipaddress {
        192.168.1.100/24
    }
}
`;
export const KUBEADM = `apiVersion: kubeadm.k8s.io/v1beta3
kind: InitConfiguration
bootstrapTokens:
- token: abcdef.0123456789abcdef
  ttl: 24h0m0s
certificateKey: ${'4a'.repeat(32)}
localAPIEndpoint:
  advertiseAddress: 192.168.1.101
  bindPort: 6443
nodeRegistration:
  name: node-a
  criSocket: /run/containerd/containerd.sock
---
apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
clusterName: homelab
kubernetesVersion: 1.31.4
controlPlaneEndpoint: k8s.lab.example:8443
networking:
  podSubnet: 10.244.0.0/16
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ipvs
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
`;
/** All of one cluster; a folder before /etc says whose a file is. */
export const GUIDE = {
  'm1/etc/haproxy/haproxy.cfg': HAPROXY,
  'm1/etc/keepalived/keepalived.conf': keepalived(1),
  'm2/etc/keepalived/keepalived.conf': keepalived(2),
  'm3/etc/keepalived/keepalived.conf': keepalived(3),
  'kubeadm.yaml': KUBEADM,
};

export const kubeVip = (kind: 'Pod' | 'DaemonSet') => {
  const spec = `hostNetwork: true
  containers:
  - name: kube-vip
    image: ghcr.io/kube-vip/kube-vip:v0.8.9
    args: [manager]
    env:
    - {name: vip_arp, value: "true"}
    - {name: port, value: "6443"}
    - {name: vip_interface, value: ens3}
    - {name: vip_cidr, value: "32"}
    - {name: cp_enable, value: "true"}
    - {name: vip_leaderelection, value: "true"}
    - {name: vip_leaseduration, value: "5"}
    - {name: vip_renewdeadline, value: "3"}
    - {name: vip_retryperiod, value: "1"}
    - {name: address, value: 10.0.0.5}
`;
  if (kind === 'Pod') return `apiVersion: v1\nkind: Pod\nmetadata: {name: kube-vip, namespace: kube-system}\nspec:\n  ${spec}`;
  return `apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: kube-vip-ds}\nspec:\n  template:\n    spec:\n      ${spec.replaceAll('\n', '\n    ')}`;
};
