/** Problems of the section `heal` of a cluster.yaml, as problems.ts words those of the others. */
export const wordings = {
  cluster_heal_signal: (f: { key: string; found: string }) => ({
    message: `${f.key} ${f.found}`,
    remedy: 'Give each signal one of condition (with its status), taint or heartbeat; any one signal of a rule is enough.',
  }),
  cluster_heal_rule_twice: (f: { name: string }) => ({
    message: `two rules of heal.rules have the name ${f.name}`,
    remedy: 'Give each rule its own name.',
  }),
  cluster_heal_window: (f: { key: string; time: string }) => ({
    message: `${f.key} begins and ends at ${f.time}, so it is not known whether it means the whole day or none of it`,
    remedy: 'Write another end, or leave the window out: without windows a rule may begin at any time.',
  }),
  cluster_heal_steps_order: (f: { step: string; before: string }) => ({
    message: `${f.step} cannot come after ${f.before}`,
    remedy: 'Keep to this order, each at most once: cordon, drain, power-off, out-of-service, power-on, reboot, replace.',
  }),
  cluster_heal_out_of_service: () => ({
    message:
      'out-of-service has no power-off before it, so a host that still runs could go on writing to volumes that another one was given',
    remedy: 'Put power-off before it in the same rule, or remove it.',
  }),
  cluster_heal_power_missing: (f: { step: string }) => ({
    message: `${f.step} needs something that switches hosts off and on, but heal.power.by is none`,
    remedy: 'Set heal.power.by to redfish, ipmi or command, or remove the step.',
  }),
  cluster_heal_replace_missing: () => ({
    message: 'replace needs a command that replaces a machine, but heal.replaceCommand is missing',
    remedy: 'Add heal.replaceCommand: [/usr/local/bin/replace-machine, "{node}"], or remove the step.',
  }),
  cluster_heal_command_missing: () => ({
    message: 'heal.power.by is command, but heal.power.command is missing',
    remedy: 'Add heal.power.command: [/usr/local/bin/host-power, "{node}"]; hale adds state, off or on.',
  }),
  cluster_heal_placeholder: (f: { key: string; name: string }) => ({
    message: `${f.key} has the placeholder {${f.name}}, which stands for nothing`,
    remedy: 'Write {node}, {address} or {bmc}.',
  }),
  cluster_heal_same_host: (f: { key: string }) => ({
    message: `${f.key} has none of {node}, {address} and {bmc}, so every node would be taken for the same host`,
    remedy: 'Write the one that tells hosts apart where it belongs.',
  }),
  cluster_heal_bmc_missing: (f: { key: string }) => ({
    message: `${f.key} has {bmc}, but no host of this file has a bmc`,
    remedy: 'Add bmc: 10.1.0.11 to each host, or write {node} or {address} where that leads to the management controller.',
  }),
  cluster_heal_bmc_twice: (f: { bmc: string; host: string; other: string; key: string }) => ({
    message: `host ${f.host} has the bmc ${f.bmc}, which host ${f.other} has already, and ${f.key} tells them apart by nothing else`,
    remedy: `Give each host its own bmc, or write {node} into ${f.key} as well.`,
  }),
  cluster_heal_url: (f: { reason: string }) => ({
    message: `heal.power.url ${f.reason}`,
    remedy:
      'Write an https URL such as https://{bmc} or https://{bmc}/redfish/v1/Systems/1; name and password belong into heal.power.credentialsFile.',
  }),
};
