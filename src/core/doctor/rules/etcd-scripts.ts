import type { ShellCommand } from '../read/script.ts';
import type { Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import { allCommands, callsOf, flagOf, runs } from './shell-model.ts';

/* Command lines of etcd's tools in scripts: backups, restores and defragmentation. */

const script = (...lines: string[]) => ({ 'run.sh': `#!/bin/sh\n${lines.join('\n')}\n` });
const RESTORE =
  'etcdutl snapshot restore db --name m1 --initial-cluster m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380 --initial-cluster-token new --bump-revision 1000000000 --mark-compacted --data-dir /var/lib/etcd-new';

type Facts = Parameters<Rule['check']>[0];

export const etcdScriptRules: readonly Rule[] = [
  {
    id: 'etcdctl-snapshot-restore',
    severity: 'error',
    title: 'etcdctl cannot restore a snapshot any more',
    why: 'The command is gone in etcd 3.6: it fails in the hour when it is needed.',
    fix: 'Use etcdutl snapshot restore, without --endpoints and certificates: it works on files.',
    sources: ['etcd 3.6 changelog, etcdctl'],
    examples: { bad: [script(RESTORE.replace('etcdutl', 'ETCDCTL_API=3 etcdctl'))], good: [script(RESTORE)] },
    *check(facts) {
      for (const { command } of callsOf(facts, ['etcdctl'], 'snapshot', 'restore'))
        yield { at: command.span, message: 'etcdctl snapshot restore is gone since etcd 3.6' };
    },
  },
  {
    id: 'etcdctl-snapshot-status',
    severity: 'error',
    title: 'etcdctl cannot look into a snapshot any more',
    why: 'The command is gone in etcd 3.6: a backup script that ends with it reports a failure, or checks nothing.',
    fix: 'Use etcdutl snapshot status.',
    sources: ['etcd 3.6 changelog, etcdctl'],
    examples: { bad: [script('etcdctl snapshot status db')], good: [script('etcdutl snapshot status db')] },
    *check(facts) {
      for (const { command } of callsOf(facts, ['etcdctl'], 'snapshot', 'status'))
        yield { at: command.span, message: 'etcdctl snapshot status is gone since etcd 3.6' };
    },
  },
  {
    id: 'etcd-restore-revision',
    severity: 'warning',
    title: 'a restore lets revisions go back',
    why: 'Controllers and kubelets that watched newer revisions than the snapshot has go on with what they remember, and do not see changes until they are restarted.',
    fix: 'Add --bump-revision 1000000000 --mark-compacted.',
    sources: ['kubernetes #118501', 'k3s #2337', 'etcd.io, Disaster recovery, revision bump'],
    examples: { bad: [script(RESTORE.replace(' --bump-revision 1000000000 --mark-compacted', ''))], good: [script(RESTORE)] },
    *check(facts) {
      for (const { command, args } of callsOf(facts, ['etcdctl', 'etcdutl'], 'snapshot', 'restore')) {
        const missing = ['bump-revision', 'mark-compacted'].filter((name) => flagOf(args, name) === undefined);
        if (missing.length > 0) yield { at: command.span, message: `the restore has no --${missing.join(' and no --')}` };
      }
    },
  },
  {
    id: 'etcd-restore-token',
    severity: 'warning',
    title: 'a restored cluster has the token of the old one',
    why: 'A member of the old cluster that is still there may join the new one without an error and serve different data.',
    fix: 'Add --initial-cluster-token with a new word.',
    sources: ['etcd.io, Disaster recovery', 'k3s #5334'],
    examples: { bad: [script(RESTORE.replace(' --initial-cluster-token new', ''))], good: [script(RESTORE)] },
    *check(facts) {
      for (const { command, args } of callsOf(facts, ['etcdctl', 'etcdutl'], 'snapshot', 'restore'))
        if (flagOf(args, 'initial-cluster') !== undefined && flagOf(args, 'initial-cluster-token') === undefined)
          yield { at: command.span, message: 'the restore has no --initial-cluster-token' };
    },
  },
  {
    id: 'etcd-snapshot-endpoints',
    severity: 'error',
    title: 'a snapshot is asked of several members at once',
    why: 'etcdctl refuses that: there is no backup.',
    fix: 'Give one endpoint.',
    sources: ['etcdctl (snapshot must be requested to one selected node, not multiple)'],
    examples: {
      bad: [script('etcdctl --endpoints=https://10.0.0.1:2379,https://10.0.0.2:2379 snapshot save db')],
      good: [script('etcdctl --endpoints=https://10.0.0.1:2379 snapshot save db')],
    },
    *check(facts) {
      for (const { command, args } of callsOf(facts, ['etcdctl'], 'snapshot', 'save'))
        if (flagOf(args, 'endpoints')?.includes(',') === true)
          yield { at: command.span, message: `--endpoints names ${flagOf(args, 'endpoints')?.split(',').length} members` };
    },
  },
  {
    id: 'etcdctl-peer-certificate',
    severity: 'info',
    title: 'etcdctl shows the certificate of a member',
    why: 'It works only because kubeadm makes that one for clients too; whoever may read its key can join as a member.',
    fix: 'Use healthcheck-client.crt and its key, or a certificate of its own for clients.',
    sources: ['kubeadm, certificates of etcd'],
    examples: {
      bad: [script('etcdctl --cert=/etc/kubernetes/pki/etcd/peer.crt --key=/etc/kubernetes/pki/etcd/peer.key member list')],
      good: [script('etcdctl --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt member list')],
    },
    *check(facts) {
      for (const { command, args } of callsOf(facts, ['etcdctl'])) {
        const cert = flagOf(args, 'cert') ?? '';
        if (cert.endsWith('/etcd/peer.crt')) yield { at: command.span, message: `${cert} is the certificate of a member` };
      }
    },
  },
  {
    id: 'etcd-defrag-all',
    severity: 'warning',
    title: 'all members are defragmented one right after the other',
    why: 'Each of them answers nothing meanwhile; when the leader is among the first, all writes stall, elections follow, and controllers lose their leases.',
    fix: 'Defragment one at a time, followers first and the leader last, and wait until each is healthy again.',
    sources: ['kubernetes #93280', 'gardener/etcd-backup-restore #1052'],
    examples: {
      bad: [
        script('etcdctl defrag --cluster'),
        script('etcdctl --endpoints=a:2379,b:2379 defrag'),
        script('for ep in a b c; do etcdctl --endpoints=$ep defrag; done'),
      ],
      good: [
        script('etcdctl --endpoints=https://10.0.0.1:2379 defrag'),
        script('for ep in a b c; do etcdctl --endpoints=$ep defrag; etcdctl --endpoints=$ep endpoint health; done'),
      ],
    },
    *check(facts) {
      const commands = allCommands(facts);
      for (const { command, args } of callsOf(facts, ['etcdctl'], 'defrag')) {
        const isAll =
          args.some(({ text }) => text === '--cluster' || text === '--cluster=true') || flagOf(args, 'endpoints')?.includes(',') === true;
        if (isAll || isLooped(command, commands))
          yield {
            at: command.span,
            message: isAll ? 'this defragments all members in one go' : 'this loop does not wait for a member before the next',
          };
      }
    },
  },
  {
    id: 'etcdctl-api-2',
    severity: 'error',
    title: 'version 2 of etcd’s API is asked for',
    why: 'It holds none of Kubernetes’ data, and current etcdctl does not have it: a backup that is made with it is empty.',
    fix: 'Leave ETCDCTL_API out.',
    sources: ['etcd 3.6 changelog, etcdctl'],
    examples: { bad: [script('ETCDCTL_API=2 etcdctl backup --data-dir /var/lib/etcd')], good: [script('etcdctl member list')] },
    *check(facts) {
      for (const found of assignments(facts, 'ETCDCTL_API')) if (found.value === '2') yield { at: found.span, message: 'ETCDCTL_API=2' };
    },
  },
  {
    id: 'etcdctl-api-3',
    severity: 'info',
    title: 'ETCDCTL_API=3 is needless',
    why: 'It has been the default since etcd 3.4, and newer versions know nothing else.',
    fix: 'Leave it out.',
    sources: ['etcd 3.4 changelog'],
    examples: { bad: [script('ETCDCTL_API=3 etcdctl member list')], good: [script('etcdctl member list')] },
    *check(facts) {
      for (const found of assignments(facts, 'ETCDCTL_API')) {
        if (found.value !== '3') continue;
        const edits = found.next === undefined || found.isExport ? [] : [{ span: { ...found.span, end: found.next.start }, text: '' }];
        yield { at: found.span, message: 'ETCDCTL_API=3 is the default', edits };
      }
    },
  },
];

function assignments(facts: Facts, name: string): { value: string; span: Span; next: Span | undefined; isExport: boolean }[] {
  return allCommands(facts).flatMap((command) =>
    command.words.flatMap((text, i) =>
      text.startsWith(`${name}=`)
        ? [
            {
              value: text.slice(name.length + 1),
              span: command.spans[i] as Span,
              next: command.spans[i + 1],
              isExport: command.words[0] === 'export',
            },
          ]
        : [],
    ),
  );
}

/** Whether a command is in a loop that does not wait for the member: no health check and no sleep follows. */
function isLooped(command: ShellCommand, commands: readonly ShellCommand[]): boolean {
  const own = commands.filter(({ span }) => span.file === command.span.file);
  const at = own.indexOf(command);
  const loop = own.slice(0, at).findLastIndex(({ words: [first] }) => first === 'for');
  if (loop === -1) return false;
  const text = command.span.file.text.slice(own[loop]?.span.start, command.span.end);
  const end = command.span.file.text.indexOf('done', command.span.end);
  const waits = own
    .slice(at + 1)
    .some((next) => (end === -1 || next.span.start < end) && (runs(next, 'sleep') || next.words.includes('health')));
  return !/\bdone\b/.test(text) && !waits;
}
