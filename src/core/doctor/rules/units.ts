import type { UnitFile, UnitSetting } from '../read/unit.ts';
import type { Rule } from '../rule.ts';
import { isSameHost } from './same-host.ts';

/* systemd units of balancers and of the control plane. */

const unit = (exec: string, more = 'Restart=always\n') => `[Service]\nExecStart=${exec}\n${more}\n[Install]\nWantedBy=multi-user.target\n`;
const PROGRAMS =
  /(?:^|\/)(haproxy|keepalived|etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kube-proxy|kubelet|kube-vip|lvscare|kube-lb|k3s|rke2|hale)(?:\s|$)/;

const ofService = ({ settings }: UnitFile, key: string): UnitSetting[] =>
  settings.filter((setting) => setting.section === 'Service' && setting.key === key);
const execOf = (from: UnitFile): UnitSetting | undefined => ofService(from, 'ExecStart').at(-1);
const programOf = (from: UnitFile): string | undefined => PROGRAMS.exec(execOf(from)?.value.replace(/^[-@:+!]+/, '') ?? '')?.[1];

export const unitRules: readonly Rule[] = [
  {
    id: 'unit-haproxy-wrapper',
    severity: 'error',
    title: 'HAProxy is started as it was before version 1.8',
    why: 'haproxy-systemd-wrapper is gone, and -Ds is no way to run under systemd any more: the unit fails, or systemd loses the process.',
    fix: 'Start haproxy -Ws -f /etc/haproxy/haproxy.cfg, with Type=notify.',
    sources: ['HAProxy management guide, section 3, -Ws'],
    examples: {
      bad: [
        { 'haproxy.service': unit('/usr/sbin/haproxy-systemd-wrapper -f /etc/haproxy/haproxy.cfg') },
        { 'haproxy.service': unit('/usr/sbin/haproxy -Ds -f /etc/haproxy/haproxy.cfg') },
      ],
      good: [{ 'haproxy.service': unit('/usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg') }],
    },
    *check({ units }) {
      for (const { valueSpan, value } of units.flatMap((from) => ofService(from, 'ExecStart')))
        if (/haproxy-systemd-wrapper|haproxy\s(?:.*\s)?-Ds\b/.test(value))
          yield { at: valueSpan, message: 'this way of starting HAProxy is gone' };
    },
  },
  {
    id: 'unit-restart-missing',
    severity: 'warning',
    title: 'a service is not started again when it ends',
    why: 'One crash takes it out until somebody looks: of a balancer or a member of the control plane, the next failure is then one too many.',
    fix: 'Add Restart=always and RestartSec=2.',
    sources: ['systemd.service(5), Restart='],
    examples: {
      bad: [{ 'keepalived.service': unit('/usr/sbin/keepalived --dont-fork', '') }],
      good: [{ 'keepalived.service': unit('/usr/sbin/keepalived --dont-fork') }],
    },
    *check({ units }) {
      for (const from of units) {
        const exec = execOf(from);
        const isWhole =
          from.settings.some(({ section }) => section === 'Install' || section === 'Unit') && !/\.d\/[^/]*\.conf$/.test(from.file.path);
        const restart = ofService(from, 'Restart').at(-1)?.value ?? 'no';
        if (
          exec === undefined ||
          !isWhole ||
          programOf(from) === undefined ||
          ofService(from, 'Type').at(-1)?.value === 'oneshot' ||
          restart !== 'no'
        )
          continue;
        const isAmended = units.some(
          (other) =>
            other !== from &&
            other.file.path.includes(`${from.file.path.replace(/^.*\//, '')}.d/`) &&
            ofService(other, 'Restart').length > 0,
        );
        if (!isAmended) yield { at: exec.span, message: `${programOf(from)} has no Restart=` };
      }
    },
  },
  {
    id: 'unit-run-directory',
    severity: 'warning',
    title: 'HAProxy’s socket is in a folder that the unit does not make',
    why: '/run is empty after each boot: HAProxy cannot make its socket there, and does not start.',
    fix: 'Add RuntimeDirectory=haproxy to the unit.',
    sources: ['systemd.exec(5), RuntimeDirectory='],
    examples: {
      bad: [
        {
          'haproxy.service': unit('/usr/local/sbin/haproxy -Ws -f haproxy.cfg'),
          'haproxy.cfg': 'global\n  stats socket /run/haproxy/admin.sock mode 660\n',
        },
      ],
      good: [
        {
          'haproxy.service': unit('/usr/local/sbin/haproxy -Ws -f haproxy.cfg', 'Restart=always\nRuntimeDirectory=haproxy\n'),
          'haproxy.cfg': 'global\n  stats socket /run/haproxy/admin.sock mode 660\n',
        },
      ],
    },
    *check({ units, haproxy }) {
      for (const from of units.filter(
        (candidate) => programOf(candidate) === 'haproxy' && ofService(candidate, 'RuntimeDirectory').length === 0,
      )) {
        const makes = ofService(from, 'ExecStartPre').some(({ value }) => /mkdir|install/.test(value));
        const uses = haproxy.some(
          ({ file, sections }) =>
            isSameHost(file, from.file) &&
            sections.some(({ lines }) =>
              lines.some(({ words }) => words[0] === 'stats' && /^\/(?:var\/)?run\/haproxy\//.test(words[2] ?? '')),
            ),
        );
        const exec = execOf(from);
        // Packages bring a file in tmpfiles.d.
        const isPackaged = execOf(from)?.value.includes('/usr/sbin/haproxy') === true;
        if (uses && !makes && !isPackaged && exec !== undefined)
          yield { at: exec.span, message: 'the unit has no RuntimeDirectory=haproxy, but haproxy.cfg has a socket in /run/haproxy' };
      }
    },
  },
];
