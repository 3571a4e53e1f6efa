/** Files whose section `heal` lacks something, or means two things at once. */
const file = (...heal: string[]): string => hosts(['', '', ''], ...heal);

const hosts = (bmcs: readonly string[], ...heal: string[]): string =>
  [
    'apiVersion: hale.dev/v1alpha1',
    'kind: Cluster',
    'name: prod',
    'endpoint: {address: 10.0.0.100}',
    'controlPlane:',
    '  hosts:',
    ...bmcs.map((bmc, i) => `    - {name: cp${i + 1}, address: 10.0.0.1${i + 1}/24${bmc === '' ? '' : `, bmc: ${bmc}`}}`),
    'heal:',
    ...heal.map((line) => `  ${line}`),
    '',
  ].join('\n');

const BMCS = ['10.1.0.11', '10.1.0.12', '10.1.0.13'];
const COMMAND = 'power: {by: command, command: [/bin/power, "{node}"]}';
const BROKEN = 'when: [{taint: broken}]';

export const badHeal: Record<string, { text: string; problems: string[] }> = {
  'signals that are nothing, several things, or half of one': {
    text: file(
      'rules:',
      '  - name: odd',
      '    steps: [cordon]',
      '    when:',
      '      - {forSeconds: 5}',
      '      - {taint: broken, heartbeat: missing}',
      '      - {condition: Ready}',
      '      - {condition: Ready, status: []}',
      '      - {taint: broken, status: ["True"]}',
    ),
    problems: [
      '15:11: heal.rules[0].when[0] has none of condition, taint and heartbeat. Give each signal one of condition (with its status), taint or heartbeat; any one signal of a rule is enough.',
      '16:11: heal.rules[0].when[1] has taint and heartbeat, but a signal is one of them. Give each signal one of condition (with its status), taint or heartbeat; any one signal of a rule is enough.',
      '17:11: heal.rules[0].when[2] has a condition, but no status of it that is unhealthy. Give each signal one of condition (with its status), taint or heartbeat; any one signal of a rule is enough.',
      '18:11: heal.rules[0].when[3] has a condition, but no status of it that is unhealthy. Give each signal one of condition (with its status), taint or heartbeat; any one signal of a rule is enough.',
      '19:11: heal.rules[0].when[4] has a status, which taint has not. Give each signal one of condition (with its status), taint or heartbeat; any one signal of a rule is enough.',
    ],
  },
  'limits that are neither a number nor a percentage': {
    text: file('limits: {atOnce: 150%, atOncePerZone: 0, perHour: 1}'),
    problems: [
      '11:20: heal.limits.atOnce cannot be "150%". Write a whole number from 1 to 10000, or a percentage from 1% to 100%.',
      '11:41: heal.limits.atOncePerZone cannot be the number 0. Write a whole number from 1 to 10000, or a percentage from 1% to 100%.',
    ],
  },
  'rules of one name, and a window of no length': {
    text: file(
      'rules:',
      `  - {name: broken, steps: [cordon], ${BROKEN}}`,
      `  - {name: broken, steps: [cordon], ${BROKEN}, windows: [{from: "01:00", to: "05:00"}, {from: "22:30", to: "22:30"}]}`,
    ),
    problems: [
      '13:14: two rules of heal.rules have the name broken. Give each rule its own name.',
      '13:104: heal.rules[1].windows[1] begins and ends at 22:30, so it is not known whether it means the whole day or none of it. Write another end, or leave the window out: without windows a rule may begin at any time.',
    ],
  },
  'steps for which there is nothing': {
    text: file('rules:', `  - {name: broken, ${BROKEN}, steps: [power-off, out-of-service, power-on, replace]}`),
    problems: [
      '12:55: power-off needs something that switches hosts off and on, but heal.power.by is none. Set heal.power.by to redfish, ipmi or command, or remove the step.',
      '12:82: power-on needs something that switches hosts off and on, but heal.power.by is none. Set heal.power.by to redfish, ipmi or command, or remove the step.',
      '12:92: replace needs a command that replaces a machine, but heal.replaceCommand is missing. Add heal.replaceCommand: [/usr/local/bin/replace-machine, "{node}"], or remove the step.',
    ],
  },
  'steps in another order': {
    text: file(
      COMMAND,
      'rules:',
      `  - {name: a, ${BROKEN}, steps: [cordon, out-of-service, power-off]}`,
      `  - {name: b, ${BROKEN}, steps: [cordon, out-of-service]}`,
      `  - {name: c, ${BROKEN}, steps: [power-on, power-off]}`,
      `  - {name: d, ${BROKEN}, steps: [reboot, reboot]}`,
    ),
    problems: [
      '13:58: out-of-service has no power-off before it, so a host that still runs could go on writing to volumes that another one was given. Put power-off before it in the same rule, or remove it.',
      '14:58: out-of-service has no power-off before it, so a host that still runs could go on writing to volumes that another one was given. Put power-off before it in the same rule, or remove it.',
      '15:60: power-off cannot come after power-on. Keep to this order, each at most once: cordon, drain, power-off, out-of-service, power-on, reboot, replace.',
      '16:58: reboot cannot come after reboot. Keep to this order, each at most once: cordon, drain, power-off, out-of-service, power-on, reboot, replace.',
    ],
  },
  'a command that is not there, and keys of other kinds of power': {
    text: file('power: {by: command, url: "https://{bmc}", credentialsFile: /etc/hale/bmc}'),
    problems: [
      '11:15: heal.power.by is command, but heal.power.command is missing. Add heal.power.command: [/usr/local/bin/host-power, "{node}"]; hale adds state, off or on.',
      '11:24: heal.power.url is only for heal.power.by: redfish. Remove heal.power.url, or set heal.power.by: redfish.',
      '11:46: heal.power.credentialsFile is only for heal.power.by: redfish. Remove heal.power.credentialsFile, or set heal.power.by: redfish.',
    ],
  },
  'placeholders that stand for nothing': {
    text: file('power: {by: command, command: [/bin/power, "{node}", "{host}"]}', 'replaceCommand: [/bin/replace, "--id={providerId}"]'),
    problems: [
      '11:56: heal.power.command[2] has the placeholder {host}, which stands for nothing. Write {node}, {address} or {bmc}.',
      '12:34: heal.replaceCommand[1] has the placeholder {providerId}, which stands for nothing. Write {node}, {address} or {bmc}.',
    ],
  },
  'a controller for all hosts alike': {
    text: file('power: {by: redfish, url: "https://10.1.0.11/redfish/v1/Systems/1"}'),
    problems: [
      '11:29: heal.power.url has none of {node}, {address} and {bmc}, so every node would be taken for the same host. Write the one that tells hosts apart where it belongs.',
    ],
  },
  'a command for all hosts alike': {
    text: file('power: {by: command, command: [/bin/power, "{host}"]}'),
    problems: [
      '11:33: heal.power.command has none of {node}, {address} and {bmc}, so every node would be taken for the same host. Write the one that tells hosts apart where it belongs.',
      '11:46: heal.power.command[1] has the placeholder {host}, which stands for nothing. Write {node}, {address} or {bmc}.',
    ],
  },
  'controllers that are nowhere': {
    text: file('power: {by: ipmi}'),
    problems: [
      '11:15: heal.power.host has {bmc}, but no host of this file has a bmc. Add bmc: 10.1.0.11 to each host, or write {node} or {address} where that leads to the management controller.',
    ],
  },
  'two hosts with one controller': {
    text: hosts(['bmc1.example', '10.1.0.12', 'BMC1.example'], 'power: {by: redfish}'),
    problems: [
      '9:47: host cp3 has the bmc BMC1.example, which host cp1 has already, and heal.power.url tells them apart by nothing else. Give each host its own bmc, or write {node} into heal.power.url as well.',
    ],
  },
  'a password in the URL': {
    text: hosts(BMCS, 'power: {by: redfish, url: "https://admin:hunter2@{bmc}"}'),
    problems: [
      '11:29: heal.power.url has a name or a password in it, which others can read here. Write an https URL such as https://{bmc} or https://{bmc}/redfish/v1/Systems/1; name and password belong into heal.power.credentialsFile.',
    ],
  },
  'a password in the clear': {
    text: hosts(BMCS, 'power: {by: redfish, url: "http://{bmc}"}'),
    problems: [
      '11:29: heal.power.url is no https URL, so the password could be read on its way. Write an https URL such as https://{bmc} or https://{bmc}/redfish/v1/Systems/1; name and password belong into heal.power.credentialsFile.',
    ],
  },
  'more than a path in the URL': {
    text: hosts(BMCS, 'power: {by: redfish, url: "https://{bmc}/?a=1"}'),
    problems: [
      '11:29: heal.power.url has more than a path. Write an https URL such as https://{bmc} or https://{bmc}/redfish/v1/Systems/1; name and password belong into heal.power.credentialsFile.',
    ],
  },
  'no URL': {
    text: hosts(BMCS, 'power: {by: redfish, url: "{bmc}"}'),
    problems: [
      '11:29: heal.power.url is no URL. Write an https URL such as https://{bmc} or https://{bmc}/redfish/v1/Systems/1; name and password belong into heal.power.credentialsFile.',
    ],
  },
};
