import type { KeepalivedEntry } from '../read/keepalived.ts';
import type { Rule } from '../rule.ts';
import {
  addressesOf,
  entriesOf,
  entryOf,
  globalOf,
  instancesOf,
  numberOf,
  replaceValue,
  scriptsOf,
  trackedBy,
  valueOf,
} from './keepalived-model.ts';

/* Whether the address follows the health of what it leads to, and how soon. */

const file = (
  script = '  interval 2\n  timeout 3\n  fall 3\n',
  track = '  track_script {\n    check\n  }\n',
  globals = '  script_user root\n  enable_script_security\n',
) => ({
  'keepalived.conf': `global_defs {\n${globals}}\nvrrp_script check {\n  script "/etc/keepalived/check.sh"\n${script}}\nvrrp_instance API {\n  interface eth0\n  virtual_router_id 87\n  virtual_ipaddress {\n    10.0.0.100/32\n  }\n${track}}\n`,
});
const good = [file()];

const allScripts = ({ keepalived }: Parameters<Rule['check']>[0]): KeepalivedEntry[] =>
  keepalived.flatMap(({ entries }) => entriesOf(entries, 'vrrp_script'));
const TRACKS = ['track_script', 'track_process', 'track_file', 'track_bfd', 'include'];
/** Commands that tell for certain whether a process is there; asking twice adds nothing. */
const isProcessCheck = (entry: KeepalivedEntry): boolean =>
  /^(?:\S*\/)?(?:killall|pidof|pgrep|systemctl)\b/.test(valueOf(entry, 'script') ?? '');

export const keepalivedCheckRules: readonly Rule[] = [
  {
    id: 'keepalived-no-tracking',
    severity: 'warning',
    title: 'the address moves only when its host or keepalived dies',
    why: 'When HAProxy or the API server on the holder stops, the address stays there and the API is gone for everybody, though other hosts could serve it.',
    fix: 'Add track_process for HAProxy, and track_script with a check of the API server’s /readyz.',
    sources: ['keepalived.conf(5), track_script and track_process', 'kube-vip #1786', 'kube-vip #1787'],
    examples: { bad: [file('', '')], good },
    *check(facts) {
      for (const { config, entry, name } of instancesOf(facts)) {
        const groups = entriesOf(config.entries, 'vrrp_sync_group').filter(({ block }) =>
          block?.some((child) => child.words[0] === 'group' && child.block?.some(({ words }) => words[0] === name)),
        );
        const isTracked = [entry, ...groups].some((owner) => entryOf(owner, ...TRACKS) !== undefined);
        const isMisspelt =
          entry.block?.some(({ words }) => words[0]?.startsWith('track') === true && !/^track_(?:interface|src_ip)$/.test(words[0])) ===
          true;
        // A director of LVS checks its real servers itself.
        const addresses = new Set(addressesOf({ config, entry, name }).map(({ address }) => address));
        const isDirector = facts.keepalived.some(({ entries }) =>
          entriesOf(entries, 'virtual_server').some(({ words }) => addresses.has(words[1] ?? '')),
        );
        if (!isTracked && !isMisspelt && !isDirector) yield { at: entry.span, message: `${name} tracks neither a script nor a process` };
      }
    },
  },
  {
    id: 'keepalived-script-undefined',
    severity: 'error',
    title: 'a tracked script is not defined',
    why: 'keepalived drops it with a line in its log, and the address moves only when the host dies.',
    fix: 'Correct the name, or add the vrrp_script block.',
    sources: ['keepalived.conf(5), track_script'],
    examples: { bad: [file(undefined, '  track_script {\n    chk\n  }\n')], good },
    *check(facts) {
      for (const instance of instancesOf(facts)) {
        const scripts = scriptsOf(facts, instance);
        const isPartial = entriesOf(instance.config.entries, 'include').length > 0;
        for (const { name, span } of isPartial ? [] : trackedBy(instance))
          if (!scripts.has(name) && !/[$~]/.test(name))
            yield {
              at: span,
              message: `there is no vrrp_script ${name}${scripts.size === 0 ? '' : `, only ${[...scripts.keys()].join(', ')}`}`,
            };
      }
    },
  },
  {
    id: 'keepalived-script-untracked',
    severity: 'warning',
    title: 'a check script is defined, but nothing tracks it',
    why: 'It has no effect: the address stays where the check fails.',
    fix: 'Name it in track_script of the instance.',
    sources: ['keepalived.conf(5), track_script'],
    examples: { bad: [file(undefined, '')], good },
    *check(facts) {
      const tracked = new Set(instancesOf(facts).flatMap((instance) => trackedBy(instance).map(({ name }) => name)));
      const isPartial = facts.keepalived.some(({ entries }) => entriesOf(entries, 'include').length > 0) || instancesOf(facts).length === 0;
      for (const { words, span } of isPartial ? [] : allScripts(facts)) {
        const name = words[1] ?? '';
        const isTracked =
          tracked.has(name) ||
          facts.keepalived.some(({ file: { text } }) => text.includes('vrrp_sync_group') && text.split(name).length > 2);
        if (!isTracked) yield { at: span, message: `no instance tracks ${name}` };
      }
    },
  },
  {
    id: 'keepalived-check-slow',
    severity: 'warning',
    title: 'a failed check moves the address after more than 10 s only',
    why: 'For that long, everybody is sent to a host whose API server is dead.',
    fix: 'Use interval 2, timeout 3 and fall 3.',
    sources: ['keepalived.conf(5), vrrp_script, interval and fall', 'metallb #298'],
    examples: { bad: [file('  interval 3\n  fall 10\n')], good },
    *check(facts) {
      for (const entry of allScripts(facts)) {
        const seconds = (numberOf(entry, 'interval') ?? 1) * (numberOf(entry, 'fall') ?? 1);
        if (seconds > 10)
          yield { at: entry.span, message: `${entry.words[1] ?? 'the check'} must fail for up to ${seconds} s before the address moves` };
      }
    },
  },
  {
    id: 'keepalived-check-eager',
    severity: 'warning',
    title: 'one failed check moves the address',
    why: 'A single slow answer of an API server, as during an etcd election, moves it and resets every connection; the next host may be as slow, and it moves again.',
    fix: 'Write fall 3, and keep interval short.',
    sources: ['openshift/machine-config-operator PRs 3339, 1893, 3357', 'keepalived.conf(5), vrrp_script, fall'],
    examples: {
      bad: [file('  interval 2\n'), file('  interval 2\n  fall 1\n')],
      good: [...good, { 'keepalived.conf': 'vrrp_script check {\n  script "killall -0 haproxy"\n}\n' }],
    },
    *check(facts) {
      for (const entry of allScripts(facts)) {
        const fall = entryOf(entry, 'fall');
        if ((fall !== undefined && fall.words[1] !== '1') || isProcessCheck(entry)) continue;
        yield {
          at: (fall ?? entry).span,
          message:
            fall === undefined
              ? `${entry.words[1] ?? 'the check'} has no fall, and 1 is the default`
              : 'fall 1: the first failed check counts',
          ...(fall !== undefined && { edits: replaceValue(fall, '3') }),
        };
      }
    },
  },
  {
    id: 'keepalived-script-user',
    severity: 'info',
    title: 'it is left open which user runs the scripts',
    why: 'It is keepalived_script where such a user exists, and root elsewhere: a check behaves differently from host to host, and a script that others may change runs as root.',
    fix: 'Write script_user and enable_script_security into global_defs.',
    sources: ['keepalived.conf(5), script_user and enable_script_security'],
    examples: { bad: [file(undefined, undefined, '')], good },
    *check(facts) {
      for (const config of facts.keepalived) {
        const script = entriesOf(config.entries, 'vrrp_script')[0];
        if (script === undefined || entriesOf(config.entries, 'include').length > 0 || entryOf(script, 'user') !== undefined) continue;
        const missing = ['script_user', 'enable_script_security'].filter((keyword) => globalOf(config, keyword) === undefined);
        if (missing.length > 0) yield { at: script.span, message: `global_defs has no ${missing.join(' and no ')}` };
      }
    },
  },
  {
    id: 'keepalived-script-place',
    severity: 'warning',
    title: 'a script stands where others than root may write',
    why: 'Whoever changes it has keepalived run it, as root by default; with enable_script_security, keepalived refuses to run it at all.',
    fix: 'Put it under /etc/keepalived or /usr/local/bin, owned by root, mode 0755.',
    sources: ['keepalived.conf(5), enable_script_security'],
    examples: { bad: [{ 'keepalived.conf': file()['keepalived.conf'].replace('/etc/keepalived/check.sh', '/tmp/check.sh') }], good },
    *check(facts) {
      for (const found of scriptPaths(facts))
        if (/^\/(?:tmp|var\/tmp|dev\/shm|home)\//.test(found.path))
          yield { at: found.entry.span, message: `${found.path} is in a folder that others may write to` };
    },
  },
  {
    id: 'keepalived-script-relative',
    severity: 'error',
    title: 'a script is named without its folder',
    why: 'keepalived looks for it in the folders of its PATH, does not find it and drops the check.',
    fix: 'Write the whole path, such as /etc/keepalived/check_apiserver.sh.',
    sources: ['keepalived.conf(5), vrrp_script, script'],
    examples: { bad: [{ 'keepalived.conf': file()['keepalived.conf'].replace('/etc/keepalived/check.sh', 'check.sh') }], good },
    *check(facts) {
      for (const found of scriptPaths(facts))
        if (/^(?!\/)[^$]*\.(?:sh|py|bash)$/.test(found.path)) yield { at: found.entry.span, message: `${found.path} is not a whole path` };
    },
  },
  {
    id: 'keepalived-sample-mail',
    severity: 'info',
    title: 'the mail settings are those of the sample file',
    why: 'No mail arrives anywhere, so nobody is told that the address has moved.',
    fix: 'Remove notification_email, smtp_server and what belongs to them, and alert on the metrics instead.',
    sources: ['keepalived, keepalived.conf.sample'],
    examples: {
      bad: [file(undefined, undefined, '  notification_email {\n    acassen@firewall.loc\n  }\n  smtp_server 192.168.200.1\n')],
      good,
    },
    *check({ keepalived }) {
      for (const config of keepalived) {
        const mail = globalOf(config, 'notification_email');
        const isSample =
          mail?.block?.some(({ words }) => words[0]?.endsWith('@firewall.loc')) === true ||
          globalOf(config, 'smtp_server')?.words[1] === '192.168.200.1';
        if (isSample)
          yield {
            at: (mail ?? globalOf(config, 'smtp_server'))?.span ?? { file: config.file, start: 0, end: 0 },
            message: 'mail goes to addresses of the sample file',
          };
      }
    },
  },
];

function scriptPaths(facts: Parameters<Rule['check']>[0]): { entry: KeepalivedEntry; path: string }[] {
  const notified = instancesOf(facts).flatMap(({ entry }) =>
    entriesOf(entry.block, 'notify', 'notify_master', 'notify_backup', 'notify_fault'),
  );
  return [...allScripts(facts).flatMap((entry) => entryOf(entry, 'script') ?? []), ...notified].flatMap((entry) => {
    const path = entry.words[1]?.trim().split(/\s+/)[0];
    return path === undefined || path === '' ? [] : [{ entry, path }];
  });
}
