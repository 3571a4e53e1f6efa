/** Files whose provider of the endpoint lacks something, or does not go with the rest. */
const file = (endpoint: string, ...lines: string[]): string =>
  [
    'apiVersion: hale.dev/v1alpha1',
    'kind: Cluster',
    'name: prod',
    `endpoint: {address: 10.0.0.100, ${endpoint}}`,
    'controlPlane:',
    '  hosts:',
    ...['11', '12', '13'].map((last, i) => `    - {name: cp${i + 1}, address: 10.0.0.${last}/24}`),
    ...lines,
    '',
  ].join('\n');

const HK = 'provider: haproxy-keepalived, port: 8443, interface: eth0';

export const badProviders: Record<string, { text: string; problems: string[] }> = {
  'keepalived without an interface, and its steps': {
    text: file('provider: haproxy-keepalived, port: 8443', 'haproxyKeepalived: {advertisementIntervalMs: 255}'),
    problems: [
      '4:1: endpoint.interface is missing, without which keepalived does not know where the address belongs. Add the interface that carries the address on every host that may hold it, such as eth0.',
      '10:46: haproxyKeepalived.advertisementIntervalMs is 255, but VRRP counts in steps of 10 ms. Write 260.',
    ],
  },
  'one balancer': {
    text: file(
      'provider: haproxy-keepalived, interface: eth0',
      'haproxyKeepalived: {placement: balancers, balancers: [{name: lb1, address: 10.0.0.31/24}]}',
    ),
    problems: [
      '10:32: haproxyKeepalived.placement is balancers, but there is 1 balancer, which would take the API with it. List at least two hosts in haproxyKeepalived.balancers, or choose placement: packages.',
    ],
  },
  'balancers that nobody uses': {
    text: file(HK, 'haproxyKeepalived: {balancers: [{name: lb1, address: 10.0.0.31/24}]}'),
    problems: [
      '10:21: haproxyKeepalived.balancers is only for placement: balancers, but placement is packages. Remove balancers, or set placement to balancers.',
    ],
  },
  'kube-vip on a port of its own, without routers, with a lease that client-go refuses': {
    text: file('provider: kube-vip, port: 8443', 'kubeVip: {mode: bgp, leaseDurationSeconds: 5, retryPeriodSeconds: 9}'),
    problems: [
      '4:59: kube-vip passes nothing on, so the API servers must listen on port 8443 of the endpoint on all addresses; they listen on port 6443 (apiserver.bind: all). Set endpoint.port and apiserver.port to one number and apiserver.bind to all.',
      '10:17: kubeVip.mode is bgp, but kubeVip.bgp.peers names no router. List the routers in kubeVip.bgp.peers, or set kubeVip.mode to arp.',
      '10:44: kubeVip.leaseDurationSeconds is 5, but must be more than 10 (kubeVip.renewDeadlineSeconds is 10). Keep leaseDurationSeconds > renewDeadlineSeconds > 1.2 × retryPeriodSeconds; kube-vip uses 15, 10 and 2.',
      '10:67: kubeVip.renewDeadlineSeconds is 10, but must be more than 10.8 (kubeVip.retryPeriodSeconds is 9). Keep leaseDurationSeconds > renewDeadlineSeconds > 1.2 × retryPeriodSeconds; kube-vip uses 15, 10 and 2.',
    ],
  },
  'a kube-vip that comes after the API that needs it': {
    text: file('provider: kube-vip', 'kubeVip: {runAs: daemonset}'),
    problems: [
      '10:18: kubeVip.runAs is daemonset, but kubeadm init needs the address before there is an API that could run one. Set kubeVip.runAs to static-pod.',
    ],
  },
  'settings of another provider': {
    text: file('provider: external', 'kubeVip: {mode: arp}'),
    problems: ['10:1: kubeVip is only for endpoint.provider: kube-vip. Remove kubeVip, or set endpoint.provider: kube-vip.'],
  },
  'a balancer on 127.0.0.1 without a name, on another port': {
    text: file('provider: node-local, port: 8443', 'nodeLocal: {balancer: nginx}'),
    problems: [
      '4:1: with nodeLocal.balancer nginx each host reaches the API at another address, so the endpoint needs a name that stands for it. Add endpoint.dnsName, such as api.prod.example.com; hale render writes it into /etc/hosts.',
      '4:61: on control-plane hosts the name of the endpoint leads to the API server itself, which listens on port 6443, not on port 8443 of the endpoint. Set endpoint.port and apiserver.port to one number, or choose nodeLocal.balancer: hale.',
    ],
  },
  'lvscare on an address of the network': {
    text: file('provider: node-local, dnsName: api.example.com', 'nodeLocal: {balancer: lvscare}'),
    problems: [
      '4:21: with nodeLocal.balancer lvscare every node has 10.0.0.100 on an interface of its own, but it lies in the subnet of host cp1, where all of them would answer for it. Choose an address that is on no wire, such as 10.103.97.2, outside the subnets of hosts, Services and Pods.',
    ],
  },
  'a balancer beside that of k3s': {
    text: file('provider: node-local, dnsName: api.example.com', 'distribution: k3s', 'nodeLocal: {balancer: haproxy}'),
    problems: [
      '11:23: nodeLocal.balancer is haproxy, but agents of k3s carry a balancer of their own to all servers (127.0.0.1). Set nodeLocal.balancer to hale, or choose another endpoint.provider, which agents need only for their first contact.',
    ],
  },
  'Pods of kube-vip without a kubelet': {
    text: file('provider: kube-vip', 'distribution: systemd'),
    problems: [
      '4:43: endpoint.provider kube-vip runs as a Pod, but with distribution systemd no kubelet runs on the hosts. Set endpoint.provider to hale, or choose another distribution.',
    ],
  },
  'Pods of HAProxy without a kubelet': {
    text: file(HK, 'distribution: systemd', 'haproxyKeepalived: {placement: static-pods}'),
    problems: [
      '11:32: haproxyKeepalived.placement static-pods runs as a Pod, but with distribution systemd no kubelet runs on the hosts. Set haproxyKeepalived.placement to packages, or choose another distribution.',
    ],
  },
  'Pods of nginx without a kubelet': {
    text: file('provider: node-local, dnsName: api.example.com', 'distribution: systemd', 'nodeLocal: {balancer: nginx}'),
    problems: [
      '11:23: nodeLocal.balancer nginx runs as a Pod, but with distribution systemd no kubelet runs on the hosts. Set nodeLocal.balancer to hale, or choose another distribution.',
    ],
  },
  'a CNI plugin that needs kube-proxy': {
    text: file('provider: external', 'kubernetes: {cni: flannel, kubeProxy: none}'),
    problems: [
      '10:19: kubernetes.kubeProxy is none, but kubernetes.cni is flannel, which does not carry connections to Services. Set kubernetes.cni to cilium or calico, or kubernetes.kubeProxy to iptables.',
    ],
  },
};
