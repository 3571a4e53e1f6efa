import type { Facts } from '../facts.ts';
import { flagNamed, isOn, programsNamed, valueAtFlag } from '../look/flags.ts';
import { isAtLeast, isBefore } from '../look/values.ts';
import type { Flag, Program } from '../read/program.ts';
import type { Hit, Rule } from '../rule.ts';
import type { Edit } from '../text-file.ts';
import { releaseOf } from './etcd.ts';
import { staticPod } from './examples.ts';

/* Flags of etcd that belong to other releases (etcd.io/docs/v3.6/feature-gates). */

/** Those that became feature gates. Others lost the prefix, and nothing else. */
const GATES: Readonly<Record<string, string>> = {
  'initial-corrupt-check': 'InitialCorruptCheck',
  'compact-hash-check-enabled': 'CompactHashCheck',
  'enable-lease-checkpoint': 'LeaseCheckpoint',
  'enable-lease-checkpoint-persist': 'LeaseCheckpointPersist',
  'stop-grpc-service-on-defrag': 'StopGRPCServiceOnDefrag',
};

const PREFIX = 'experimental-';

function* experiments(facts: Facts): Iterable<{ program: Program; flag: Flag; hit: Pick<Hit, 'at' | 'edits'> & { now: string } }> {
  for (const program of programsNamed(facts, 'etcd'))
    for (const flag of program.flags) {
      if (!flag.name.startsWith(PREFIX)) continue;
      const rest = flag.name.slice(PREFIX.length);
      const gate = GATES[rest];
      const now = gate === undefined ? `--${rest}` : `--feature-gates=${gate}=${flag.value ?? 'true'}`;
      const edit = gate === undefined ? prefixEdit(flag) : undefined;
      yield { program, flag, hit: { at: flag.span, now, ...(edit !== undefined && { edits: [edit] }) } };
    }
}

/** The flag without its prefix, where it is written as a flag. */
function prefixEdit({ span }: Flag): Edit | undefined {
  const at = span.file.text.slice(span.start, span.end).indexOf(PREFIX);
  return at === -1 ? undefined : { span: { ...span, start: span.start + at, end: span.start + at + PREFIX.length }, text: '' };
}

const RELEASE = (image: string, ...flags: string[]) =>
  staticPod('etcd', { image: `registry.k8s.io/etcd:${image}`, command: ['etcd', ...flags] });

export const etcdFlagRules: readonly Rule[] = [
  {
    id: 'etcd-experimental-gone',
    severity: 'error',
    title: 'etcd 3.7 does not start with an experimental flag',
    why: 'The flags with this prefix are gone: the process ends at once with "flag provided but not defined", on every member that is upgraded.',
    fix: 'Use the flag without the prefix, or the feature gate that it has become, before the upgrade.',
    sources: ['etcd CHANGELOG-3.7', 'etcd.io/docs/v3.6/feature-gates'],
    examples: {
      bad: [{ 'etcd.yaml': RELEASE('3.7.1-0', '--experimental-corrupt-check-time=4h') }],
      good: [{ 'etcd.yaml': RELEASE('3.7.1-0', '--corrupt-check-time=4h') }],
    },
    *check(facts) {
      for (const { program, flag, hit } of experiments(facts)) {
        const { now, ...rest } = hit;
        if (isAtLeast(releaseOf(program), 3, 7)) yield { ...rest, message: `--${flag.name} is gone; it is now ${now}` };
      }
    },
  },
  {
    id: 'etcd-experimental-deprecated',
    severity: 'info',
    title: 'an experimental flag of etcd has another name since 3.6',
    why: 'etcd 3.6 takes both names, 3.7 does not start with the old one.',
    fix: 'Use the flag without the prefix, or the feature gate that it has become.',
    sources: ['etcd.io/docs/v3.6/feature-gates'],
    examples: {
      bad: [
        { 'etcd.yaml': RELEASE('3.6.5-0', '--experimental-watch-progress-notify-interval=5s') },
        { 'etcd.yaml': RELEASE('3.6.5-0', '--experimental-initial-corrupt-check=true') },
      ],
      good: [{ 'etcd.yaml': RELEASE('3.5.21-0', '--experimental-initial-corrupt-check=true') }],
    },
    *check(facts) {
      for (const { program, flag, hit } of experiments(facts)) {
        const release = releaseOf(program);
        const { now, ...rest } = hit;
        if (isAtLeast(release, 3, 6) && isBefore(release, 3, 7))
          yield { ...rest, message: `--${flag.name} is deprecated; it is now ${now}` };
      }
    },
  },
  {
    id: 'etcd-v2',
    severity: 'warning',
    title: 'etcd is told to serve its API of version 2',
    why: 'Kubernetes does not use it, its data is in no snapshot, and etcd 3.6 does not start with the flag.',
    fix: 'Remove enable-v2; check with etcdutl check v2store that nothing is left in it before the upgrade to 3.6.',
    sources: ['etcd.io/docs/v3.6/upgrades/upgrade_3_6'],
    examples: {
      bad: [{ 'etcd.yaml': RELEASE('3.5.9-0', '--enable-v2=true') }],
      good: [{ 'etcd.yaml': RELEASE('3.5.9-0', '--enable-v2=false') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd'))
        for (const flag of program.flags) {
          const isGone = isAtLeast(releaseOf(program), 3, 6) && /^(?:enable-v2|enable-v2v3|proxy(?:-.*)?)$/.test(flag.name);
          if (isGone || (flag.name === 'enable-v2' && isOn(flag)) || (flag.name === 'enable-v2v3' && (flag.value ?? '') !== ''))
            yield { at: flag.span, message: `${flag.name} is ${isGone ? 'no flag of this etcd' : 'on'}` };
        }
    },
  },
  {
    id: 'etcd-snapshot-count',
    severity: 'info',
    title: 'etcd keeps 100000 entries of its log in memory',
    why: 'The old default costs memory, and makes a member that fell behind replay long. Since 3.6 it is 10000.',
    fix: 'Remove snapshot-count.',
    sources: ['etcd CHANGELOG-3.6'],
    examples: {
      bad: [{ 'etcd.yaml': RELEASE('3.6.11-0', '--snapshot-count=100000') }],
      good: [{ 'etcd.yaml': RELEASE('3.6.11-0', '--snapshot-count=10000') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd')) {
        const flag = flagNamed(program, 'snapshot-count');
        if (Number(flag?.value) >= 100_000 && flag !== undefined) yield { at: flag.span, message: `snapshot-count is ${flag.value}` };
      }
    },
  },
  {
    id: 'etcd-auto-compaction',
    severity: 'info',
    title: 'etcd compacts its history, and so does the API server',
    why: 'The API server compacts every five minutes anyway. An earlier compaction by etcd ends watches with "required revision has been compacted", and clients list everything anew.',
    fix: 'Remove auto-compaction-mode and auto-compaction-retention, where etcd serves Kubernetes only.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver, --etcd-compaction-interval'],
    examples: {
      bad: [{ 'etcd.yaml': RELEASE('3.6.11-0', '--auto-compaction-retention=1') }],
      good: [{ 'etcd.yaml': RELEASE('3.6.11-0', '--auto-compaction-retention=0') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd')) {
        const flag = flagNamed(program, 'auto-compaction-retention');
        if (flag?.value !== undefined && !flag.value.startsWith('0') && program.origin !== 'script')
          yield { at: flag.span, message: `auto-compaction-retention is ${flag.value}` };
      }
    },
  },
  {
    id: 'etcd-plain-loopback',
    severity: 'warning',
    title: 'every process of the host may read and write etcd',
    why: 'A client address without TLS asks for no certificate: whatever runs on the host, also a container in its network, reads every Secret and is administrator of the cluster.',
    fix: 'Listen on https://127.0.0.1:2379, and give tools their certificate; for health and metrics use listen-metrics-urls.',
    sources: ['etcd.io/docs/latest/op-guide/security'],
    examples: {
      bad: [{ 'etcd.yaml': RELEASE('3.6.11-0', '--listen-client-urls=https://10.0.0.1:2379,http://127.0.0.1:2379') }],
      good: [{ 'etcd.yaml': RELEASE('3.6.11-0', '--listen-client-urls=https://10.0.0.1:2379,https://127.0.0.1:2379') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd')) {
        const flag = flagNamed(program, 'listen-client-urls');
        const urls = (flag?.value ?? '').split(',');
        // One that speaks TLS nowhere is told of by etcd-plain.
        const plain = urls.find((url) => /^http:\/\/(?:127\.|localhost|\[::1\])/.test(url.trim()));
        if (flag !== undefined && plain !== undefined && urls.some((url) => url.trim().startsWith('https:')))
          yield { at: valueAtFlag(flag), message: `${plain.trim()} asks for no certificate` };
      }
    },
  },
];
