import type { Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import { allCommands, callsOf, flagOf, runs } from './shell-model.ts';

/* Command lines in scripts of administrators: how they install, join, back up and restore. */

const script = (...lines: string[]) => ({ 'run.sh': `#!/bin/sh\n${lines.join('\n')}\n` });
const JOIN = 'kubeadm join 10.0.0.100:6443 --token a.b --discovery-token-ca-cert-hash sha256:c --control-plane';

type Facts = Parameters<Rule['check']>[0];

export const scriptRules: readonly Rule[] = [
  {
    id: 'kubectl-componentstatuses',
    severity: 'info',
    title: 'componentstatuses says nothing about a cluster of several masters',
    why: 'It is deprecated since 1.19, and asks ports on one host: it shows Unhealthy what is well, and the other way round.',
    fix: 'Use kubectl get --raw=/readyz?verbose, against each API server.',
    sources: ['kubernetes 1.19 release notes, componentstatus'],
    examples: {
      bad: [script('kubectl get cs'), script('kubectl get componentstatuses')],
      good: [script("kubectl get --raw='/readyz?verbose'")],
    },
    *check(facts) {
      for (const { command } of ['cs', 'componentstatus', 'componentstatuses'].flatMap((name) =>
        callsOf(facts, ['kubectl', 'k3s'], 'get', name),
      ))
        yield { at: command.span, message: 'componentstatuses is deprecated and wrong with several masters' };
    },
  },
  {
    id: 'kubeadm-join-certificate-key',
    severity: 'warning',
    title: 'a control-plane node joins without the key to the certificates',
    why: 'The join fails, unless the eight shared files were copied to the node before.',
    fix: 'Add --certificate-key, from kubeadm init phase upload-certs --upload-certs; it holds for two hours.',
    sources: ['kubernetes.io, Creating Highly Available Clusters with kubeadm'],
    examples: { bad: [script(JOIN)], good: [script(`${JOIN} --certificate-key d`), script('kubeadm join --config join.yaml')] },
    *check(facts) {
      for (const { command, args } of callsOf(facts, ['kubeadm'], 'join')) {
        const isControlPlane = args.some(({ text }) => /^--(?:experimental-)?control-plane(?:=true)?$/.test(text));
        // A word such as $CERTS may hold it.
        const isOpen = args.some(({ text }) => text.startsWith('$'));
        if (isControlPlane && !isOpen && flagOf(args, 'certificate-key') === undefined && flagOf(args, 'config') === undefined)
          yield { at: command.span, message: 'kubeadm join --control-plane without --certificate-key' };
      }
    },
  },
  {
    id: 'kubeadm-experimental-control-plane',
    severity: 'error',
    title: 'a flag of kubeadm has lost its experimental name',
    why: 'Current kubeadm does not know it, and the join fails.',
    fix: 'Write --control-plane.',
    sources: ['kubernetes 1.15 release notes, kubeadm'],
    examples: {
      bad: [script(`${JOIN.replace('--control-plane', '--experimental-control-plane')} --certificate-key d`)],
      good: [script(`${JOIN} --certificate-key d`)],
    },
    *check(facts) {
      for (const { text, span } of words(facts)) {
        const now = { '--experimental-control-plane': '--control-plane', '--experimental-upload-certs': '--upload-certs' }[text];
        if (now !== undefined) yield { at: span, message: `${text} is ${now} now`, edits: [{ span, text: now }] };
      }
    },
  },
  {
    id: 'kubeadm-config-and-flags',
    severity: 'error',
    title: 'kubeadm gets a file and flags for the same things',
    why: 'It refuses: can not mix --config with arguments.',
    fix: 'Put the value into the file: controlPlaneEndpoint, certificateKey, networking.podSubnet.',
    sources: ['kubeadm init, --config'],
    examples: {
      bad: [script('kubeadm init --config kubeadm.yaml --control-plane-endpoint 10.0.0.100:8443')],
      good: [script('kubeadm init --config kubeadm.yaml --upload-certs --ignore-preflight-errors=Swap')],
    },
    *check(facts) {
      const clashing = [
        'control-plane-endpoint',
        'certificate-key',
        'pod-network-cidr',
        'service-cidr',
        'kubernetes-version',
        'image-repository',
        'apiserver-advertise-address',
        'apiserver-cert-extra-sans',
        'apiserver-bind-port',
        'service-dns-domain',
        'token-ttl',
      ];
      for (const { command, args } of ['init', 'join'].flatMap((verb) =>
        callsOf(facts, ['kubeadm'], verb).filter((call) => call.args.find(({ text }) => !text.startsWith('-'))?.text === verb),
      )) {
        const both =
          flagOf(args, 'config') === undefined || args.some(({ text }) => text === 'phase')
            ? []
            : clashing.filter((name) => flagOf(args, name) !== undefined);
        if (both.length > 0) yield { at: command.span, message: `--config stands beside --${both.join(' and --')}` };
      }
    },
  },
  {
    id: 'script-dash',
    severity: 'error',
    title: 'a flag begins with a long dash',
    why: 'A web page or word processor has made it of two hyphens; the program takes it for an argument and fails, or does something else.',
    fix: 'Write two hyphens.',
    sources: ['IEEE Std 1003.1, 12.2 Utility Syntax Guidelines'],
    examples: { bad: [script('kubeadm join a:6443 –control-plane')], good: [script('kubeadm join a:6443 --config b', 'echo "a – b"')] },
    *check(facts) {
      for (const { text, span } of words(facts)) {
        const dash = /^[–—]+(?=[a-zA-Z])/.exec(text);
        if (dash !== null && /^[–—]+\w[\w-]+(?:=.*)?$/.test(text))
          yield {
            at: span,
            message: `${text} begins with a long dash`,
            edits: [{ span: { ...span, end: span.start + dash[0].length }, text: '--' }],
          };
      }
    },
  },
  {
    id: 'script-curly-quotes',
    severity: 'error',
    title: 'quotes are not those that a shell knows',
    why: 'A web page has made them curly; the shell takes them for part of the word, and splits it at blanks.',
    fix: 'Write straight quotes.',
    sources: ['POSIX.1-2024, Shell Command Language, 2.2 Quoting'],
    examples: { bad: [script('kubectl get --raw=“/readyz”')], good: [script('kubectl get --raw="/readyz"', 'echo "a “b” c"')] },
    *check(facts) {
      for (const { text, span } of words(facts)) {
        const raw = span.file.text.slice(span.start, span.end);
        if (/[“”]|‘.*’/.test(text) && !/["'\\]/.test(raw) && /^[^“”‘’]*[“‘]/.test(text))
          yield { at: span, message: `${text} has curly quotes` };
      }
    },
  },
  {
    id: 'script-crlf',
    severity: 'error',
    title: 'a script has line breaks of Windows',
    why: 'The kernel looks for a shell whose name ends in a carriage return, and finds none: the script does not start.',
    fix: 'Convert it: sed -i "s/\\r$//" FILE.',
    sources: ['execve(2), ENOENT'],
    examples: { bad: [{ 'run.sh': '#!/bin/sh\r\necho a\r\n' }], good: [script('echo a')] },
    *check({ scripts }) {
      for (const { file } of scripts) {
        const end = /^\uFEFF?#![^\n]*\r\n/.exec(file.text)?.[0].length;
        if (end !== undefined) yield { at: { file, start: 0, end: end - 2 }, message: 'the first line ends in CR LF' };
      }
    },
  },
  {
    id: 'script-heredoc-expanded',
    severity: 'error',
    title: 'a script is written with its variables already filled in',
    why: 'The shell that writes it puts in its own $*, $1 and $?, mostly nothing: the script that comes out does something else than what one reads here.',
    fix: 'Quote the word behind <<, as in <<"EOF".',
    sources: ['POSIX.1-2024, Shell Command Language, 2.7.4 Here-Document', 'kubeadm, ha-considerations'],
    examples: {
      bad: [script('cat > /etc/keepalived/check.sh << EOF', '#!/bin/sh', 'fail() { echo "$*"; exit 1; }', 'EOF')],
      good: [
        script('cat > /etc/keepalived/check.sh << "EOF"', '#!/bin/sh', 'fail() { echo "$*"; exit 1; }', 'EOF'),
        script('cat > check.sh <<EOF', '#!/bin/sh', 'ping $VIP || echo \\$?', 'EOF'),
      ],
    },
    *check(facts) {
      for (const { heredoc } of allCommands(facts)) {
        if (heredoc === undefined || heredoc.quoted || !/^\s*#!/.test(heredoc.text)) continue;
        const found = /(?<!\\)\$[*@#?!$\d]/.exec(heredoc.text);
        if (found === null) continue;
        const start = heredoc.span.start + found.index;
        yield {
          at: { ...heredoc.span, start, end: start + found[0].length },
          message: `${found[0]} is filled in while the script is written`,
        };
      }
    },
  },
  {
    id: 'script-first-release',
    severity: 'warning',
    title: 'the newest entry of a list of releases is installed',
    why: 'It may be a release candidate, and it is another one tomorrow: hosts that are set up on different days differ.',
    fix: 'Pin a version, or ask for /releases/latest.',
    sources: ['docs.github.com, REST API, releases'],
    examples: {
      bad: [script('V=$(curl -sL https://api.github.com/repos/kube-vip/kube-vip/releases | jq -r ".[0].name")')],
      good: [script('V=v1.2.3'), script('V=$(curl -sL https://api.github.com/repos/kube-vip/kube-vip/releases/latest | jq -r .tag_name)')],
    },
    *check(facts) {
      for (const command of allCommands(facts))
        if (runs(command, 'jq') && command.words.some((word) => /^\.\[0\]\.(?:name|tag_name)$/.test(word)))
          yield { at: command.span, message: 'this takes whatever release comes first' };
    },
  },
  {
    id: 'script-run-directory',
    severity: 'info',
    title: 'a folder under /run is made by hand',
    why: '/run is empty after each boot: HAProxy does not find the folder of its socket then, and does not start.',
    fix: 'Write RuntimeDirectory=haproxy into the unit, or a line into /etc/tmpfiles.d.',
    sources: ['systemd.exec(5), RuntimeDirectory=', 'tmpfiles.d(5)'],
    examples: { bad: [script('mkdir -p /run/haproxy')], good: [script('mkdir -p /etc/haproxy')] },
    *check(facts) {
      for (const command of allCommands(facts)) {
        const at =
          command.words[0] === 'mkdir' || command.words[1] === 'mkdir'
            ? command.words.findIndex((word) => /^\/(?:var\/)?run\/(?:haproxy|keepalived)/.test(word))
            : -1;
        if (at !== -1) yield { at: command.spans[at] as Span, message: `${command.words[at]} is gone after a reboot` };
      }
    },
  },
];

const words = (facts: Facts): { text: string; span: Span }[] =>
  allCommands(facts).flatMap((command) => command.words.map((text, i) => ({ text, span: command.spans[i] as Span })));
