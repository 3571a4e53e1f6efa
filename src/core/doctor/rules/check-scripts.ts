import type { ShellCommand } from '../read/script.ts';
import type { Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import { virtualAddresses } from './keepalived-model.ts';
import { argumentsOf, type Check, checksOf, hasCurlFlag, isCaptured, runs } from './shell-model.ts';

/* Health checks that decide where the address is: a wrong answer keeps it at a dead API server, or takes it from a live one. */

const script = (...lines: string[]) => ({ 'check_apiserver.sh': `#!/bin/sh\n${lines.join('\n')}\n` });
const CURL =
  'curl -sf --cacert /etc/kubernetes/pki/ca.crt --connect-timeout 1 --max-time 2 https://localhost:6443/readyz -o /dev/null || exit 1';
const good = [script(CURL)];
const inline = (command: string) => ({ 'keepalived.conf': `vrrp_script check {\n  script "${command}"\n  fall 3\n}\n` });

type Facts = Parameters<Rule['check']>[0];
const curls = (facts: Facts): { command: ShellCommand; check: Check }[] =>
  checksOf(facts).flatMap((check) => check.commands.filter((command) => runs(command, 'curl')).map((command) => ({ command, check })));

const asksHttp = ({ commands }: Check): boolean =>
  commands.some((command) => runs(command, 'curl', 'wget', 'kubectl', 'openssl', 'python3', 'python'));
const isProcessProbe = (command: ShellCommand): boolean =>
  (runs(command, 'killall') && command.words.includes('-0')) ||
  runs(command, 'pidof', 'pgrep') ||
  (runs(command, 'systemctl') && command.words.some((word) => /^(?:is-active|status)$/.test(word))) ||
  runs(command, 'ps');
const isPortProbe = (command: ShellCommand): boolean =>
  (runs(command, 'nc', 'ncat') && command.words.some((word) => /^-\w*z/.test(word))) ||
  runs(command, 'ss', 'netstat', 'lsof') ||
  command.words.some((word) => word.startsWith('/dev/tcp/'));
const isProbe = (command: ShellCommand): boolean => runs(command, 'curl', 'wget') || isProcessProbe(command) || isPortProbe(command);

/** The command behind an operator. */
const nextOf = (command: ShellCommand, commands: readonly ShellCommand[]): ShellCommand | undefined =>
  commands.find(({ span }) => span.start > command.span.end);
const isExit = ({ words }: ShellCommand, code: RegExp): boolean => /^(?:exit|return)$/.test(words[0] ?? '') && code.test(words[1] ?? '0');

export const checkScriptRules: readonly Rule[] = [
  {
    id: 'check-curl-without-fail',
    severity: 'error',
    title: 'curl takes an error of the server for success',
    why: 'Without -f it ends well whenever it gets an answer, and 500 is one: an API server that is not ready or has lost etcd passes the check and keeps the address.',
    fix: 'Write curl -sf --max-time 2 https://localhost:6443/readyz.',
    sources: ['curl(1), --fail', 'kubeadm, ha-considerations'],
    examples: {
      bad: [script(CURL.replace('-sf', '-s')), inline('/usr/bin/curl -sk https://localhost:6443/readyz')],
      good: [
        ...good,
        script('code=$(curl -sk -o /dev/null -w "%{http_code}" https://localhost:6443/readyz)', '[ "$code" = 200 ] || exit 1'),
      ],
    },
    *check(facts) {
      for (const { command, check } of curls(facts)) {
        if (
          hasCurlFlag(command, 'f', 'fail', 'fail-with-body') ||
          hasCurlFlag(command, 'w', 'write-out') ||
          isCaptured(command, check.commands)
        )
          continue;
        const at = argumentsOf(command, 'curl')?.[0];
        const edits = at === undefined ? [] : [{ span: { ...at.span, end: at.span.start }, text: '-f ' }];
        yield { at: command.span, message: 'curl without -f succeeds on an error such as 500', edits };
      }
    },
  },
  {
    id: 'check-curl-insecure',
    severity: 'info',
    title: 'the check trusts any certificate',
    why: 'Whatever listens on that port passes for the API server.',
    fix: 'Use --cacert /etc/kubernetes/pki/ca.crt instead of -k.',
    sources: ['curl(1), --insecure'],
    examples: { bad: [script(CURL.replace('--cacert /etc/kubernetes/pki/ca.crt', '-k'))], good },
    *check(facts) {
      for (const { command } of curls(facts))
        if (hasCurlFlag(command, 'k', 'insecure')) yield { at: command.span, message: 'curl does not verify the certificate' };
    },
  },
  {
    id: 'check-curl-without-timeout',
    severity: 'warning',
    title: 'the check may wait for ever',
    why: 'An API server that accepts connections and does not answer holds it: keepalived starts no other until it ends, and the address stays.',
    fix: 'Add --connect-timeout 1 --max-time 2.',
    sources: ['curl(1), --max-time', 'keepalived.conf(5), vrrp_script, timeout'],
    examples: {
      bad: [script(CURL.replace('--connect-timeout 1 --max-time 2 ', ''))],
      good: [...good, inline('/usr/bin/timeout 0.9 /usr/bin/curl -fk https://localhost:6443/readyz')],
    },
    *check(facts) {
      for (const { command } of curls(facts))
        if (!hasCurlFlag(command, 'm', 'max-time', 'speed-time') && !runs(command, 'timeout'))
          yield { at: command.span, message: 'curl has no --max-time' };
    },
  },
  {
    id: 'check-not-readyz',
    severity: 'info',
    title: 'the check does not ask whether the API server is ready',
    why: '/healthz is outdated, and / is forbidden to anonymous clients; only /readyz tells that an API server is shutting down or not ready yet.',
    fix: 'Ask for https://localhost:6443/readyz.',
    sources: ['kubernetes.io, API server health endpoints (/healthz deprecated since 1.16)'],
    examples: { bad: [script(CURL.replace('/readyz', '/healthz')), script(CURL.replace('/readyz', '/'))], good },
    *check(facts) {
      for (const { command } of curls(facts)) {
        for (const [i, word] of command.words.entries()) {
          const path = /^https:\/\/[^/]+?:\S*?(\/(?:healthz|livez)?)(?:\?.*)?$/.exec(word)?.[1];
          if (path !== undefined) yield { at: command.spans[i] as Span, message: `the check asks for ${path}` };
        }
      }
    },
  },
  {
    id: 'check-process-only',
    severity: 'info',
    title: 'the check sees only that a process is there',
    why: 'A HAProxy whose servers are all down, or an API server that hangs, is still a process: the address stays with it.',
    fix: 'Ask through it: curl -sf --max-time 2 https://localhost:PORT/readyz.',
    sources: ['keepalived.conf(5), vrrp_script', 'k0s #6866'],
    examples: {
      bad: [
        script('killall -0 haproxy'),
        inline('killall -0 haproxy'),
        script('if [ $(ps -C haproxy --no-header | wc -l) -eq 0 ]; then exit 1; fi'),
      ],
      good,
    },
    *check(facts) {
      for (const check of checksOf(facts)) {
        const probe = check.commands.find(isProcessProbe);
        if (probe !== undefined && !asksHttp(check) && !check.commands.some(isPortProbe))
          yield { at: probe.span, message: 'this sees only whether the process exists' };
      }
    },
  },
  {
    id: 'check-port-only',
    severity: 'warning',
    title: 'the check sees only that a port is open',
    why: 'HAProxy’s port is open when all its servers are down, and an API server’s while it cannot reach etcd: the address stays there.',
    fix: 'Ask through it: curl -sf --max-time 2 https://localhost:PORT/readyz.',
    sources: ['kube-vip #1145', 'kube-vip #890'],
    examples: { bad: [script('nc -z localhost 6443 || exit 1'), script('ss -lnt | grep -q :6443 || exit 1')], good },
    *check(facts) {
      for (const check of checksOf(facts)) {
        const probe = check.commands.find(isPortProbe);
        if (probe !== undefined && !asksHttp(check)) yield { at: probe.span, message: 'this sees only whether the port is open' };
      }
    },
  },
  {
    id: 'check-address-by-prefix',
    severity: 'warning',
    title: 'the check looks for the address by its beginning',
    why: '10.0.0.1 is also the beginning of 10.0.0.10, and a dot is any character: the host takes itself for the holder when it is not, and fails a check that is not its own.',
    fix: 'Leave that part out, as kubeadm’s guide does now; or write grep -qwF.',
    sources: ['kubeadm, ha-considerations', 'grep(1), --word-regexp'],
    examples: {
      bad: [script('if ip addr | grep -q 10.0.0.1; then exit 1; fi'), script('ip addr | grep -q ${VIP} && exit 1')],
      good: [...good, script('if ip addr | grep -qwF 10.0.0.1; then exit 1; fi'), script('ip addr | grep -q "inet 10.0.0.1/" && exit 1')],
    },
    *check(facts) {
      for (const { commands } of checksOf(facts)) {
        for (const [i, command] of commands.entries()) {
          const before = commands[i - 1];
          if (before?.operator !== '|' || !runs(before, 'ip', 'ifconfig', 'hostname') || !runs(command, 'grep')) continue;
          const isWhole = command.words.some((word) => /^-[a-zA-Z]*[wx]|^--(?:word|line)-regexp$/.test(word));
          const pattern = command.words.findIndex(
            (word, at) => at > 0 && /^(?:inet )?(?:\d+\.\d+\.\d+\.\d+|\$\{?\w*VIP\w*\}?)$/i.test(word),
          );
          if (pattern !== -1 && !isWhole)
            yield { at: command.spans[pattern] as Span, message: `${command.words[pattern]} is found in longer addresses too` };
        }
      }
    },
  },
  {
    id: 'check-through-address',
    severity: 'warning',
    title: 'the check goes through the address that it decides about',
    why: 'It fails when the way there is down, wherever the cause is; then every host gives up, and the address is gone or moves in circles.',
    fix: 'Ask the host’s own API server only: https://localhost:6443/readyz.',
    sources: ['dell/omnia PR 4992', 'kubeadm, ha-considerations'],
    examples: {
      bad: [
        script(CURL.replace('localhost', '${APISERVER_VIP}')),
        {
          ...script(CURL.replace('localhost', '10.0.0.100')),
          'keepalived.conf': 'vrrp_instance API {\n  virtual_ipaddress {\n    10.0.0.100\n  }\n}\n',
        },
      ],
      good,
    },
    *check(facts) {
      const addresses = virtualAddresses(facts).map(({ address }) => address);
      for (const { command } of curls(facts)) {
        const at = command.words.findIndex((word) => {
          const host = /^https?:\/\/\[?([^/\]]+?)\]?(?::[^/]*)?(?:\/|$)/.exec(word)?.[1];
          return host !== undefined && (addresses.includes(host) || /^\$\{?\w*VIP\w*\}?$/i.test(host));
        });
        if (at !== -1) yield { at: command.spans[at] as Span, message: `${command.words[at]} leads through the virtual address` };
      }
    },
  },
  {
    id: 'check-never-fails',
    severity: 'error',
    title: 'the check cannot fail',
    why: 'Whatever is wrong with the API server, the address stays with it.',
    fix: 'End with exit 1 where the probe fails.',
    sources: ['keepalived.conf(5), vrrp_script'],
    examples: {
      bad: [script(CURL.replace('exit 1', 'true')), script('curl -sf --max-time 2 https://localhost:6443/readyz', 'exit 0')],
      good: [
        ...good,
        script('if curl -sf --max-time 2 https://localhost:6443/readyz; then exit 0; fi', 'exit 1'),
        script('set -e', 'curl -sf --max-time 2 https://localhost:6443/readyz', 'exit 0'),
      ],
    },
    *check(facts) {
      for (const { commands, file } of checksOf(facts)) {
        const swallowed = commands.find((command) => {
          if (command.operator !== '||' || !isProbe(command)) return false;
          const next = nextOf(command, commands);
          return next !== undefined && (/^(?:true|:)$/.test(next.words[0] ?? '') || isExit(next, /^0$/));
        });
        const canFail = commands.some(
          (command) =>
            isExit(command, /[^0]/) ||
            runs(command, 'kill', 'pkill', 'killall', 'systemctl', 'service') ||
            (command.words[0] === 'set' && /e/.test(command.words[1] ?? '')) ||
            command.words[0] === 'trap',
        );
        const last = commands.at(-1);
        const ends =
          file !== undefined && !canFail && last !== undefined && last.words[0] === 'exit' && isExit(last, /^0$/) && commands.some(isProbe);
        if (swallowed !== undefined) yield { at: swallowed.span, message: 'a failure of this probe is thrown away' };
        else if (ends) yield { at: last.span, message: 'the script always ends with 0' };
      }
    },
  },
  {
    id: 'check-stops-keepalived',
    severity: 'warning',
    title: 'the check stops keepalived',
    why: 'When all is well again, nothing starts it: one short failure takes the host out for good, and after one on each host nobody has the address.',
    fix: 'End with exit 1 and let keepalived decide: without weight, it gives the address up and takes part again once the check succeeds.',
    sources: ['kube-vip #475', 'keepalived.conf(5), vrrp_script, weight'],
    examples: { bad: [script('if ! pidof haproxy; then systemctl stop keepalived; fi')], good },
    *check(facts) {
      for (const command of checksOf(facts).flatMap(({ commands }) => commands)) {
        const { words } = command;
        const isStop =
          (runs(command, 'systemctl', 'service') && words.some((word) => /^(?:stop|restart|disable)$/.test(word))) ||
          (runs(command, 'killall', 'pkill') && !words.includes('-0')) ||
          (runs(command, 'keepalived') && words.includes('stop'));
        if (isStop && words.some((word) => /(?:^|\/)keepalived(?:\.service)?$/.test(word)))
          yield { at: command.span, message: words.join(' ') };
      }
    },
  },
  {
    id: 'check-sleeps',
    severity: 'warning',
    title: 'the check sleeps for longer than it may take',
    why: 'keepalived starts no other check until it ends, or ends it itself and counts that as a failure: the address moves late, or for no reason.',
    fix: 'Probe once, and let keepalived repeat it: interval 2, fall 3.',
    sources: ['keepalived.conf(5), vrrp_script, timeout'],
    examples: { bad: [script('for k in $(seq 1 12); do pidof kube-apiserver && exit 0; sleep 5; done', 'exit 1')], good },
    *check(facts) {
      for (const { commands } of checksOf(facts)) {
        for (const [i, command] of commands.entries()) {
          if (command.words[0] !== 'sleep') continue;
          const loop = commands.slice(0, i).findLast(({ words }) => words[0] === 'for');
          const rounds = Number(
            /\$\(seq (?:1 )?(\d+)\)|\{1\.\.(\d+)\}/
              .exec(loop?.words.join(' ') ?? '')
              ?.slice(1)
              .find((count) => count !== undefined) ?? 1,
          );
          const seconds = Number(command.words[1]) * rounds;
          if (seconds > 10) yield { at: command.span, message: `this check sleeps for up to ${seconds} s` };
        }
      }
    },
  },
  {
    id: 'check-without-shebang',
    severity: 'error',
    title: 'a check script does not say which shell runs it',
    why: 'keepalived starts it without a shell, so that it does not start at all: the check always fails.',
    fix: 'Begin the file with #!/bin/sh.',
    sources: ['execve(2), ENOEXEC'],
    examples: { bad: [{ 'check_apiserver.sh': `${CURL}\n` }], good },
    *check(facts) {
      for (const { file, at } of checksOf(facts)) {
        if (file === undefined || /^\uFEFF?\s*#!/.test(file.text) || file.text.trim() === '') continue;
        yield { at, message: 'the file does not begin with #!', edits: [{ span: at, text: '#!/bin/sh\n' }] };
      }
    },
  },
];
