import type { Facts } from '../facts.ts';
import { flagNamed, flagText, hostOf, isOff, isOn, isOpen, onePerHost, programsNamed, valueAtFlag } from '../look/flags.ts';
import { hostAndPort, isBefore, isLoopback } from '../look/values.ts';
import type { Flag, Program } from '../read/program.ts';
import { podSpecPath } from '../read/program-pods.ts';
import { listAt, textAt, valueAt } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import { membersOf, releaseOf } from './etcd.ts';
import { staticPod } from './examples.ts';

/* What etcd is told: timings, size, encryption, disk, and flags of other releases. */

/** Every flag of this name on an etcd, with its number. */
function* numbers(facts: Facts, name: string): Iterable<{ program: Program; flag: Flag; value: number }> {
  for (const program of programsNamed(facts, 'etcd')) {
    const flag = flagNamed(program, name);
    if (flag?.value !== undefined && /^\d+$/.test(flag.value)) yield { program, flag, value: Number(flag.value) };
  }
}

function timers(program: Program): { heartbeat: number; election: number } | undefined {
  const heartbeat = Number(flagText(program, 'heartbeat-interval') ?? 100);
  const election = Number(flagText(program, 'election-timeout') ?? 1000);
  return Number.isFinite(heartbeat) && Number.isFinite(election) && heartbeat > 0 ? { heartbeat, election } : undefined;
}

/** Where an etcd says a timing: its election timeout, else its heartbeat. */
function timerAt(program: Program): Flag | undefined {
  return flagNamed(program, 'election-timeout') ?? flagNamed(program, 'heartbeat-interval');
}

function* impossibleTimers(facts: Facts): Iterable<Hit> {
  for (const program of programsNamed(facts, 'etcd')) {
    const flag = timerAt(program);
    const timing = timers(program);
    if (flag === undefined || timing === undefined) continue;
    const { heartbeat, election } = timing;
    if (election > 50_000) yield { at: valueAtFlag(flag), message: `election-timeout is ${election} ms, more than 50000` };
    else if (election < heartbeat * 5)
      yield {
        at: valueAtFlag(flag),
        message: `election-timeout ${election} ms is less than five times heartbeat-interval ${heartbeat} ms`,
      };
  }
}

function* tightTimers(facts: Facts): Iterable<Hit> {
  for (const program of programsNamed(facts, 'etcd')) {
    const flag = timerAt(program);
    const timing = timers(program);
    if (flag === undefined || timing === undefined) continue;
    const { heartbeat, election } = timing;
    if (election >= heartbeat * 5 && election < heartbeat * 10)
      yield { at: valueAtFlag(flag), message: `election-timeout ${election} ms is less than ten times heartbeat-interval ${heartbeat} ms` };
  }
}

function* otherTimers(facts: Facts): Iterable<Hit> {
  const whole = onePerHost(programsNamed(facts, 'etcd').filter(({ complete }) => complete));
  const [first, ...others] = whole.filter((program) => (membersOf(program) ?? []).length > 0 || program.origin === 'pod');
  for (const program of others) {
    const [a, b] = [first, program].map((one) => (one === undefined ? undefined : timers(one)));
    if (first === undefined || a === undefined || b === undefined || (a.heartbeat === b.heartbeat && a.election === b.election)) continue;
    if (!shareMembers(first, program)) continue;
    const at = timerAt(program)?.span ?? program.at;
    yield {
      at,
      message: `heartbeat and election are ${b.heartbeat} and ${b.election} ms here, but ${a.heartbeat} and ${a.election} ms on ${hostOf(first)}`,
    };
  }
}

/** Whether two members may be of one cluster: that of events often has one of its own. */
function shareMembers(a: Program, b: Program): boolean {
  const [ofA, ofB] = [membersOf(a), membersOf(b)];
  return ofA === undefined || ofB === undefined || ofA.some(({ url }) => ofB.some((other) => other.url === url));
}

const GIB = 1024 ** 3;

/** Places that a restart empties. */
const VOLATILE = /^\/(?:tmp|run|var\/run|dev\/shm|var\/tmp)(?:\/|$)/;

function* volatileData(facts: Facts): Iterable<Hit> {
  for (const program of programsNamed(facts, 'etcd')) {
    const flag = flagNamed(program, 'data-dir');
    if (program.origin === 'script') continue;
    if (flag?.value !== undefined && program.origin !== 'pod' && VOLATILE.test(flag.value))
      yield { at: valueAtFlag(flag), message: `data-dir is ${flag.value}, which a restart empties` };
    const { document } = program;
    const spec = document === undefined ? undefined : podSpecPath(document);
    if (document === undefined || spec === undefined) continue;
    const mounts = listAt(valueAt(document.value, [...spec, 'containers', 0]), ['volumeMounts']) as {
      name?: unknown;
      mountPath?: unknown;
    }[];
    const dir = (flag?.value ?? '/var/lib/etcd').replace(/\/$/, '');
    const name = mounts.find(
      ({ mountPath }) =>
        typeof mountPath === 'string' && (dir === mountPath.replace(/\/$/, '') || dir.startsWith(`${mountPath.replace(/\/$/, '')}/`)),
    )?.name;
    for (const [i, volume] of listAt(document.value, [...spec, 'volumes']).entries()) {
      const path = textAt(volume, ['hostPath', 'path']) ?? '';
      if (name === undefined || textAt(volume, ['name']) !== name) continue;
      if (VOLATILE.test(path))
        yield {
          at: document.span([...spec, 'volumes', i, 'hostPath', 'path']),
          message: `etcd's data is in ${path} of the host, which a restart empties`,
        };
      if (valueAt(volume, ['emptyDir']) !== undefined)
        yield { at: document.span([...spec, 'volumes', i]), message: "etcd's data is in an emptyDir, which goes with the Pod" };
    }
  }
}

/** URLs of a flag that are http and not on the loopback. */
function plainUrl(flag: Flag | undefined): string | undefined {
  return (flag?.value ?? '').split(',').find((url) => url.trim().startsWith('http://') && !isLoopback(hostAndPort(url)?.host ?? ''));
}

const PLAIN_FLAGS = /^(?:listen-client-urls|advertise-client-urls|listen-peer-urls|initial-advertise-peer-urls)$/;

function* plain(facts: Facts): Iterable<Hit> {
  for (const { flags, origin } of programsNamed(facts, 'etcd'))
    for (const flag of origin === 'script' ? [] : flags) {
      const url = PLAIN_FLAGS.test(flag.name) ? plainUrl(flag) : undefined;
      if (url !== undefined && !isOpen(url.replace(/^http:\/\/\$[^/]*$/, '')))
        yield { at: valueAtFlag(flag), message: `${flag.name} has ${url}, without TLS` };
    }
}

function* unauthenticated(facts: Facts): Iterable<Hit> {
  for (const program of programsNamed(facts, 'etcd')) {
    if (!program.complete || program.origin === 'script') continue;
    const pairs = [
      { cert: 'cert-file', auth: 'client-cert-auth', ca: 'trusted-ca-file', who: 'any client' },
      { cert: 'peer-cert-file', auth: 'peer-client-cert-auth', ca: 'peer-trusted-ca-file', who: 'any host that calls itself a peer' },
    ];
    for (const { cert, auth, ca, who } of pairs) {
      const flag = flagNamed(program, auth);
      const own = flagNamed(program, cert);
      // `client-transport-security` of etcd's own file says the same in another way.
      // An authority alone makes etcd ask for certificates of it (transport.TLSInfo).
      const isAsked = isOn(flag) || flagNamed(program, ca) !== undefined;
      if (own !== undefined && !isAsked) yield { at: flag?.span ?? own.span, message: `${auth} is not on, so ${who} is let in` };
    }
  }
}

const ETCD = (...flags: string[]) => staticPod('etcd', { image: 'registry.k8s.io/etcd:3.6.11-0', command: ['etcd', ...flags] });
const RELEASE = (image: string, ...flags: string[]) =>
  staticPod('etcd', { image: `registry.k8s.io/etcd:${image}`, command: ['etcd', ...flags] });
const VOLUME = (volume: string) =>
  staticPod('etcd', {
    image: 'registry.k8s.io/etcd:3.6.11-0',
    command: ['etcd', '--data-dir=/var/lib/etcd'],
    more: `    volumeMounts: [{name: data, mountPath: /var/lib/etcd}]\n  volumes:\n  - name: data\n    ${volume}\n`,
  });

export const etcdSettingsRules: readonly Rule[] = [
  {
    id: 'etcd-timers-refused',
    severity: 'error',
    title: 'etcd does not start with these timings',
    why: 'etcd refuses an election timeout of less than five heartbeats, or of more than 50 s.',
    fix: 'Set heartbeat-interval to about the round trip between members (at least 100 for one network), and election-timeout to ten times that.',
    sources: ['etcd.io/docs/latest/tuning'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--heartbeat-interval=500', '--election-timeout=1000') }],
      good: [{ 'etcd.yaml': ETCD('--heartbeat-interval=250', '--election-timeout=2500') }],
    },
    check: impossibleTimers,
  },
  {
    id: 'etcd-timers-tight',
    severity: 'warning',
    title: 'the election timeout is less than ten heartbeats',
    why: 'A few heartbeats that are lost or late start an election, during which no write goes through. On a slow disk or network, leaders change all the time.',
    fix: 'Set election-timeout to at least ten times heartbeat-interval, on every member the same.',
    sources: ['etcd.io/docs/latest/tuning'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--heartbeat-interval=200', '--election-timeout=1000') }],
      good: [{ 'etcd.yaml': ETCD('--heartbeat-interval=100', '--election-timeout=1000') }],
    },
    check: tightTimers,
  },
  {
    id: 'etcd-timers-differ',
    severity: 'error',
    title: 'members of etcd have different timings',
    why: 'The member with the shortest election timeout calls elections while the others are content with the leader, so leaders change without a cause.',
    fix: 'Give every member the same heartbeat-interval and election-timeout.',
    sources: ['etcd.io/docs/latest/tuning'],
    examples: {
      bad: [{ 'a/etcd.yaml': ETCD('--election-timeout=1000'), 'b/etcd.yaml': ETCD('--election-timeout=5000') }],
      good: [{ 'a/etcd.yaml': ETCD('--election-timeout=5000'), 'b/etcd.yaml': ETCD('--election-timeout=5000') }],
    },
    check: otherTimers,
  },
  {
    id: 'etcd-quota-default',
    severity: 'info',
    title: 'etcd may hold 2 GiB, its default',
    why: 'At the quota etcd takes no more writes, cluster-wide, until somebody compacts, defragments and disarms the alarm. 2 GiB is soon full in a large cluster.',
    fix: 'Set quota-backend-bytes=8589934592 on every member, and watch the size.',
    sources: ['etcd.io/docs/latest/dev-guide/limit'],
    examples: { bad: [{ 'etcd.yaml': ETCD('--name=cp1') }], good: [{ 'etcd.yaml': ETCD('--quota-backend-bytes=8589934592') }] },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd')) {
        const flag = flagNamed(program, 'quota-backend-bytes');
        if (flag?.value === '0' || (flag === undefined && program.complete && program.origin !== 'script'))
          yield { at: flag?.span ?? program.at, message: 'quota-backend-bytes is not set, so the database may grow to 2 GiB' };
      }
    },
  },
  {
    id: 'etcd-quota-large',
    severity: 'warning',
    title: 'etcd may hold more than 8 GiB',
    why: 'Beyond it, a start, a snapshot and the recovery of a member take so long that the cluster is without a spare for minutes; etcd itself warns.',
    fix: 'Set quota-backend-bytes to at most 8589934592, and find out what fills it (events belong into an etcd of their own).',
    sources: ['etcd.io/docs/latest/dev-guide/limit'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--quota-backend-bytes=17179869184') }],
      good: [{ 'etcd.yaml': ETCD('--quota-backend-bytes=8589934592') }],
    },
    *check(facts) {
      for (const { flag, value } of numbers(facts, 'quota-backend-bytes'))
        if (value > 8 * GIB) yield { at: valueAtFlag(flag), message: `quota-backend-bytes is ${Math.round((value / GIB) * 10) / 10} GiB` };
    },
  },
  {
    id: 'etcd-quota-tiny',
    severity: 'error',
    title: 'etcd may hold less than 100 MB',
    why: 'The value is in bytes. An idle cluster fills it within hours; then etcd takes no more writes, and nothing in the cluster can change.',
    fix: 'Set quota-backend-bytes=8589934592.',
    sources: ['etcd.io/docs/latest/op-guide/configuration'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--quota-backend-bytes=8') }],
      good: [{ 'etcd.yaml': ETCD('--quota-backend-bytes=4294967296') }],
    },
    *check(facts) {
      for (const { flag, value } of numbers(facts, 'quota-backend-bytes'))
        if (value > 0 && value < 100_000_000) yield { at: valueAtFlag(flag), message: `quota-backend-bytes is ${value} bytes` };
    },
  },
  {
    id: 'etcd-data-volatile',
    severity: 'error',
    title: "etcd's data is where a restart loses it",
    why: 'The member comes back empty, under a name that the others know with data: it does not start, and must be removed and added again. After a power cut all of them are empty.',
    fix: 'Keep it on a disk of the host: /var/lib/etcd, best one of its own.',
    sources: ['etcd.io/docs/latest/op-guide/hardware'],
    examples: {
      bad: [{ 'etcd.yaml': VOLUME('hostPath: {path: /tmp/etcd}') }, { 'etcd.yaml': VOLUME('emptyDir: {}') }],
      good: [{ 'etcd.yaml': VOLUME('hostPath: {path: /var/lib/etcd}') }],
    },
    check: volatileData,
  },
  {
    id: 'etcd-unsafe-no-fsync',
    severity: 'error',
    title: 'etcd does not wait for its disk',
    why: 'What etcd has confirmed is lost with a crash or power cut of the host, and members then disagree about what was written.',
    fix: 'Remove unsafe-no-fsync; give etcd a faster disk.',
    sources: ['etcd --help'],
    examples: { bad: [{ 'etcd.yaml': ETCD('--unsafe-no-fsync') }], good: [{ 'etcd.yaml': ETCD('--name=cp1') }] },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd')) {
        const flag = flagNamed(program, 'unsafe-no-fsync');
        if (flag !== undefined && isOn(flag)) yield { at: flag.span, message: 'etcd runs with unsafe-no-fsync' };
      }
    },
  },
  {
    id: 'etcd-plain',
    severity: 'error',
    title: 'etcd speaks without TLS on the network',
    why: 'Whoever reaches the port reads every Secret of the cluster, and writes what he likes: no API server stands between.',
    fix: 'Use https:// with certificates and client-cert-auth, and http only on 127.0.0.1.',
    sources: ['etcd.io/docs/latest/op-guide/security'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--listen-client-urls=http://0.0.0.0:2379') }],
      good: [{ 'etcd.yaml': ETCD('--listen-client-urls=https://10.0.0.1:2379,http://127.0.0.1:2379') }],
    },
    check: plain,
  },
  {
    id: 'etcd-certificate-unchecked',
    severity: 'error',
    title: 'etcd does not ask for a certificate',
    why: 'Traffic is encrypted, but who calls is not checked: whoever reaches the port reads every Secret and may write.',
    fix: 'Set client-cert-auth=true and peer-client-cert-auth=true, with trusted-ca-file and peer-trusted-ca-file.',
    sources: ['etcd.io/docs/latest/op-guide/security'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--cert-file=/etc/etcd/server.crt', '--client-cert-auth=false') }],
      good: [
        { 'etcd.yaml': ETCD('--cert-file=/etc/etcd/server.crt', '--client-cert-auth=true') },
        { 'etcd.yaml': ETCD('--cert-file=/etc/etcd/server.crt', '--trusted-ca-file=/etc/etcd/ca.crt') },
      ],
    },
    check: unauthenticated,
  },
  {
    id: 'etcd-auto-tls',
    severity: 'warning',
    title: 'etcd makes its own certificates, which nobody checks',
    why: 'auto-tls and peer-auto-tls encrypt, but any host can pose as a member or a client.',
    fix: 'Use certificates of an authority of your own.',
    sources: ['etcd.io/docs/latest/op-guide/security'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--peer-auto-tls') }],
      good: [{ 'etcd.yaml': ETCD('--peer-cert-file=/etc/etcd/peer.crt', '--peer-client-cert-auth=true') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd'))
        for (const name of ['auto-tls', 'peer-auto-tls']) {
          const flag = flagNamed(program, name);
          // Beside certificates of an authority it has no effect.
          const isIdle = flagNamed(program, name === 'auto-tls' ? 'cert-file' : 'peer-cert-file') !== undefined;
          if (flag !== undefined && isOn(flag) && !isIdle) yield { at: flag.span, message: `${name} is on` };
        }
    },
  },
  {
    id: 'etcd-metrics-loopback',
    severity: 'info',
    title: 'etcd tells its health only to those with a certificate',
    why: 'Without listen-metrics-urls, probes and Prometheus need a client certificate of etcd, with which they could also read and write everything.',
    fix: 'Set listen-metrics-urls=http://127.0.0.1:2381.',
    sources: ['etcd.io/docs/latest/op-guide/monitoring'],
    examples: { bad: [{ 'etcd.yaml': ETCD('--name=cp1') }], good: [{ 'etcd.yaml': ETCD('--listen-metrics-urls=http://127.0.0.1:2381') }] },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd'))
        if (program.complete && program.origin !== 'script' && flagNamed(program, 'listen-metrics-urls') === undefined)
          yield { at: program.at, message: 'etcd has no listen-metrics-urls' };
    },
  },
  {
    id: 'etcd-pre-vote-off',
    severity: 'warning',
    title: 'a member that comes back can unseat the leader',
    why: 'Without pre-vote, a member that was cut off has counted elections meanwhile; its return forces a new one, and writes stand still although nothing failed.',
    fix: 'Set pre-vote=true (the default since etcd 3.5).',
    sources: ['etcd.io/docs/v3.4/op-guide/configuration'],
    examples: {
      bad: [{ 'etcd.yaml': RELEASE('3.4.13-0', '--name=cp1') }, { 'etcd.yaml': ETCD('--pre-vote=false') }],
      good: [{ 'etcd.yaml': ETCD('--name=cp1') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd')) {
        const flag = flagNamed(program, 'pre-vote');
        if (flag !== undefined && isOff(flag)) yield { at: flag.span, message: 'pre-vote is off' };
        else if (flag === undefined && program.complete && isBefore(releaseOf(program), 3, 5))
          yield { at: program.image?.span ?? program.at, message: 'etcd 3.4 runs without pre-vote' };
      }
    },
  },
  {
    id: 'etcd-request-bytes',
    severity: 'warning',
    title: 'etcd takes requests of more than 10 MiB',
    why: 'One large write keeps all others waiting while it goes through every disk and network; heartbeats are late, and the leader changes.',
    fix: 'Leave max-request-bytes at 1.5 MiB, and keep large data elsewhere.',
    sources: ['etcd.io/docs/latest/dev-guide/limit'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--max-request-bytes=33554432') }],
      good: [{ 'etcd.yaml': ETCD('--max-request-bytes=1572864') }],
    },
    *check(facts) {
      for (const { flag, value } of numbers(facts, 'max-request-bytes'))
        if (value > 10 * 1024 ** 2) yield { at: valueAtFlag(flag), message: `max-request-bytes is ${Math.round(value / 1024 ** 2)} MiB` };
    },
  },
];
