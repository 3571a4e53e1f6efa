import { hostPort } from '../../base/address.ts';
import { apiserverTargets } from '../cluster/names.ts';
import type { Cluster } from '../cluster/schema.ts';

/** A name that every API server's certificate has, whoever made it. */
export const CERTIFICATE_NAME = 'kubernetes.default.svc';
/** Where servers and agents of RKE2 register. */
export const RKE2_REGISTRATION_PORT = 9345;

/** All of HAProxy's connections, and those that clients may take of them: the rest is for its own health, which moves the address. */
const CONNECTIONS = { all: 20_000, clients: 18_000, registration: 1000 };
/** Two of each connection, and some for checks and listeners. */
export const HAPROXY_OPEN_FILES = 65_536;

export interface HaproxyOptions {
  /** `address:port` and what else stands on a bind line, as one for each. */
  binds: readonly string[];
  /** The same for RKE2's registration; none elsewhere. */
  registrationBinds?: readonly string[];
  healthPort: number;
  /** The authority of the API servers' certificates, on the host or in the container. */
  caFile: string;
  /** Lines of `global` that only this one has. */
  global: readonly string[];
  /** Comment lines about where it listens. */
  whyBinds: readonly string[];
}

/** haproxy.cfg in front of every API server: accepted by HAProxy 2.6 to 3.x. TLS ends at the API server. */
export function haproxyConfig(cluster: Cluster, options: HaproxyOptions): string {
  const { registrationBinds = [] } = options;
  const parts = [
    ['# Made by hale from cluster.yaml: HAProxy in front of the Kubernetes API.'],
    globalLines(options),
    DEFAULTS,
    [
      'frontend kubernetes-api',
      ...options.whyBinds.map((line) => `    # ${line}`),
      ...options.binds.map((bind) => `    bind ${bind}`),
      '    # Fewer than in all: when clients take every connection, the health below must still answer, or the address moves.',
      `    maxconn ${CONNECTIONS.clients}`,
      '    default_backend kubernetes-apiservers',
    ],
    apiserverLines(cluster, options),
    ...(registrationBinds.length === 0 ? [] : registrationLines(cluster, { binds: registrationBinds, caFile: options.caFile })),
    healthLines(options.healthPort),
  ];
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function globalLines({ global }: HaproxyOptions): string[] {
  return [
    'global',
    '    # To the journal, or the log of the container.',
    '    log stdout format short local0 info',
    ...global.map((line) => `    ${line}`),
    `    # Each takes two open files; without this line it follows from the limit of open files, which differs from host to host.`,
    `    maxconn ${CONNECTIONS.all}`,
    '    # Where the limit is lower and cannot be raised, start all the same, with a warning.',
    '    no strict-limits',
    '    # For `set server kubernetes-apiservers/NAME state drain` before maintenance.',
    '    stats socket /run/haproxy/admin.sock mode 600 level admin',
    '    stats timeout 30s',
  ];
}

const DEFAULTS = [
  'defaults',
  '    log global',
  '    mode tcp',
  '    option tcplog',
  '    option dontlognull',
  '    # Of connections only those that went wrong are logged; every change of a server is.',
  '    option dontlog-normal',
  '    option log-health-checks',
  '    # A server that does not accept so long is dead: the connection goes to another one, long before its client gives up.',
  '    timeout connect 500ms',
  '    option redispatch 1',
  '    retries 3',
  '    timeout check   3s',
  '    timeout queue   10s',
  '    # Watches, `logs -f` and `exec` may be silent for long: idle is not dead. Clients of Kubernetes ping every 30 s (HTTP/2) and end what is dead themselves.',
  '    timeout client  10m',
  '    timeout server  10m',
  '    timeout tunnel  4h',
  '    timeout client-fin 30s',
  '    timeout server-fin 30s',
  '    # A peer that vanished is noticed after a minute; the kernel alone would wait two hours before it asks.',
  '    option clitcpka',
  '    clitcpka-idle 30s',
  '    clitcpka-intvl 10s',
  '    clitcpka-cnt 3',
  '    option srvtcpka',
  '    srvtcpka-idle 30s',
  '    srvtcpka-intvl 10s',
  '    srvtcpka-cnt 3',
];

function apiserverLines(cluster: Cluster, { caFile }: HaproxyOptions): string[] {
  return [
    'backend kubernetes-apiservers',
    '    # Watches stay for hours: turns alone would leave a server that came back without work.',
    '    balance leastconn',
    '    # Ready, not merely listening: an API server without etcd, or one that is leaving, answers /readyz with 500. One that refuses anonymous requests answers 401, which is not ready either:',
    '    # let anonymous clients ask /livez and /readyz (AuthenticationConfiguration, anonymous.conditions).',
    '    option httpchk',
    `    http-check connect ssl alpn http/1.1 sni ${CERTIFICATE_NAME}`,
    `    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host ${CERTIFICATE_NAME}`,
    '    http-check expect status 200',
    '    # Down 2 to 5 s after the last good answer, before VRRP moves anything. Its connections are cut then, because clients would wait on them for minutes;',
    '    # a server that returns gets new ones by and by.',
    '    default-server check inter 3s fastinter 1s downinter 3s fall 3 rise 2 on-marked-down shutdown-sessions slowstart 20s',
    `    default-server verify required ca-file ${caFile} verifyhost ${CERTIFICATE_NAME}`,
    ...apiserverTargets(cluster).map(({ name, address, port }) => `    server ${name} ${hostPort(address, port)}`),
  ];
}

function registrationLines(cluster: Cluster, { binds, caFile }: { binds: readonly string[]; caFile: string }): string[][] {
  return [
    [
      'frontend rke2-registration',
      ...binds.map((bind) => `    bind ${bind}`),
      `    maxconn ${CONNECTIONS.registration}`,
      '    default_backend rke2-servers',
    ],
    [
      'backend rke2-servers',
      '    # Servers and agents that join fetch certificates here. A TLS handshake is check enough.',
      '    balance roundrobin',
      '    default-server check check-ssl inter 3s fall 3 rise 2 on-marked-down shutdown-sessions',
      `    default-server verify required ca-file ${caFile} verifyhost ${CERTIFICATE_NAME}`,
      ...apiserverTargets(cluster).map(({ name, address }) => `    server ${name} ${hostPort(address, RKE2_REGISTRATION_PORT)}`),
    ],
  ];
}

function healthLines(port: number): string[] {
  return [
    'frontend health',
    `    bind 127.0.0.1:${port}`,
    '    mode http',
    '    option httplog',
    '    # /healthz: an API server is ready behind this HAProxy. /live: this HAProxy works, whatever is behind it.',
    '    acl any_ready nbsrv(kubernetes-apiservers) ge 1',
    '    monitor-uri /healthz',
    '    monitor fail if !any_ready',
    '    http-request return status 200 content-type text/plain string "ok" if { path /live }',
    '    http-request use-service prometheus-exporter if { path /metrics }',
    '    http-request deny',
  ];
}
