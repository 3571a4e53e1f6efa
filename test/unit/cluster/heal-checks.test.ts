import { describe, expect, test } from 'vitest';
import { healPolicySchema } from '../../../src/core/cluster/heal.ts';
import { policyFindings } from '../../../src/core/cluster/heal-checks.ts';
import { readCluster } from '../../../src/core/cluster/read.ts';

const file = (bmc: string, heal: string) => `apiVersion: hale.dev/v1alpha1
kind: Cluster
name: prod
endpoint: {address: 10.0.0.100}
controlPlane:
  hosts: [{name: cp1, address: 10.0.0.11/24${bmc}}]
heal: ${heal}
`;

describe('what goes together', () => {
  test.each([
    ['nothing', '', '{}'],
    ['Redfish at each bmc', ', bmc: 10.1.0.11', '{power: {by: redfish, caFile: /etc/hale/bmc-ca.crt}}'],
    [
      'one Redfish service with a system for each node',
      '',
      '{power: {by: redfish, url: "https://enclosure.example/redfish/v1/Systems/{node}"}}',
    ],
    ['an emulator on this machine', '', '{power: {by: redfish, url: "http://127.0.0.1:8000/redfish/v1/Systems/{node}"}}'],
    ['IPMI', ', bmc: "[fd00::11]:6230"', '{power: {by: ipmi}}'],
    ['a command', '', '{power: {by: command, command: [/bin/power, "--host={address}"]}, replaceCommand: [/bin/replace]}'],
    [
      'all steps in their order',
      ', bmc: 10.1.0.11',
      '{power: {by: ipmi}, replaceCommand: [/bin/replace], rules: [{name: a, when: [{condition: Ready, status: ["False", Unknown]}, {heartbeat: missing}], windows: [{from: "22:00", to: "04:00"}], steps: [cordon, drain, power-off, out-of-service, power-on, reboot, replace]}]}',
    ],
  ])('%s', (_, bmc, heal) => {
    expect(readCluster(file(bmc, heal), 'cluster.yaml')).toMatchObject({ ok: true });
  });
});

test('a policy of the API is checked alike, by its own paths', () => {
  const policy = healPolicySchema.parse({
    rules: [{ name: 'a', when: [{ taint: 'b' }], steps: ['power-off', 'out-of-service', 'replace'] }],
  });
  const findings = (power: boolean, replace: boolean) =>
    policyFindings(policy, { can: { power, replace }, at: ['spec'] }).map(({ code, path }) => `${path.join('.')} ${code}`);
  expect(findings(true, true)).toEqual([]);
  expect(findings(false, false)).toEqual([
    'spec.rules.0.steps.0 cluster_heal_power_missing',
    'spec.rules.0.steps.2 cluster_heal_replace_missing',
  ]);
});
