import * as z from 'zod';
import { dnsName, filePath, listenAddress, numberOrPercent, wholeNumber } from './values.ts';

/* What cluster.yaml, and a HealPolicy in the API, say of nodes that heal themselves (`hale heal`). */

const text = (expects: string) => z.string(expects).regex(/^[!-~]([ -~]{0,998}[!-~])?$/, expects);
const seconds = (from: number, to: number) => wholeNumber({ from, to, of: 'seconds' });

const WORD = 'a word of letters and digits such as KernelDeadlock';
const KEY = 'the key of a taint such as example.com/broken';
const CLOCK = 'a time of day such as 22:30';

const CONDITION_STATUSES = ['True', 'False', 'Unknown'] as const;
/** In the order in which a remedy may have them. */
export const HEAL_STEPS = ['cordon', 'drain', 'power-off', 'out-of-service', 'power-on', 'reboot', 'replace'] as const;
export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const signal = z.strictObject({
  condition: z
    .string(WORD)
    .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,315}$/, WORD)
    .exactOptional()
    .describe('Type of a condition of the Node, such as Ready, or one that node-problem-detector sets. Needs `status`.'),
  status: z
    .array(z.enum(CONDITION_STATUSES), 'a list of "True", "False" and Unknown')
    .exactOptional()
    .describe('What of the condition is unhealthy: `"True"` for KernelDeadlock and its like, `"False"` and `Unknown` for Ready.'),
  taint: z
    .string(KEY)
    .regex(/^[A-Za-z0-9]([A-Za-z0-9./_-]{0,315}[A-Za-z0-9])?$/, KEY)
    .exactOptional()
    .describe('Key of a taint, whatever its effect.'),
  heartbeat: z
    .enum(['missing'])
    .exactOptional()
    .describe(
      "`missing`: the node's kubelet has not renewed its Lease, which it does every 10 s. Seen before the controller manager says so.",
    ),
  forSeconds: seconds(0, 86_400).default(60).describe('How long that must have been so, by the clock of the controller, without a break.'),
});

const window = z.strictObject({
  days: z
    .array(z.enum(WEEKDAYS), 'a list of days such as mon')
    .prefault([...WEEKDAYS])
    .describe('Days on which the window begins.'),
  from: z
    .string(CLOCK)
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, CLOCK)
    .describe('When it begins, in UTC.'),
  to: z
    .string(CLOCK)
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, CLOCK)
    .describe('When it ends, in UTC; on the next day when that is earlier than `from`.'),
});

const rule = z.strictObject({
  name: dnsName('kernel-deadlock').describe('Name of the rule, for plans, logs and Events.'),
  when: z
    .array(signal, 'a list of signals, each with a condition, a taint or a heartbeat')
    .min(1, 'a list of signals, each with a condition, a taint or a heartbeat')
    .describe('What makes a node unhealthy; any one of these.'),
  labels: z
    .array(
      z.strictObject({
        name: text('the name of a label such as node-role.kubernetes.io/worker').describe('Name of the label.'),
        value: z.string('a value, which may be empty').exactOptional().describe('Its value; any when it is not given.'),
      }),
      'a list of labels, each with a name',
    )
    .prefault([])
    .describe('Nodes that the rule is for: those with all of these labels; all nodes when empty.'),
  steps: z
    .array(z.enum(HEAL_STEPS), `a list of ${HEAL_STEPS.join(', ')}`)
    .min(1, `a list of ${HEAL_STEPS.join(', ')}`)
    .describe(
      'What is done, in this order. `cordon`: no new Pods. `drain`: its Pods end by the eviction API. `power-off`: and prove it. `out-of-service`: the taint on which Kubernetes gives up its Pods and volumes at once; only after `power-off`. `power-on`. `reboot`: over SSH. `replace`: your command.',
    ),
  windows: z
    .array(window, 'a list of windows, each with from and to')
    .prefault([])
    .describe('When the rule may begin a remedy; always when empty.'),
});

const limits = z
  .strictObject({
    atOnce: numberOrPercent
      .default(1)
      .describe('Nodes under a remedy at the same time, or a percentage of all nodes, rounded down and at least one.'),
    atOncePerZone: numberOrPercent.default(1).describe('The same within one zone (`topology.kubernetes.io/zone`).'),
    perHour: wholeNumber({ from: 1, to: 10_000, of: 'remedies' }).default(6).describe('Remedies begun within any hour.'),
    healthyPercentMin: wholeNumber({ from: 50, to: 100, of: 'percent' })
      .default(51)
      .describe(
        'With fewer of the worker nodes healthy nothing is done: then it is not the nodes that are broken, or hale does not see them. Of all nodes where there are no workers.',
      ),
    backOffSeconds: seconds(10, 86_400)
      .default(600)
      .describe('How long a node is left alone after a remedy; doubled with each one within the last day, up to a day.'),
  })
  .prefault({})
  .describe('Brakes. One control-plane host at a time, and none whose loss would cost etcd its quorum, hold besides.');

const drain = z
  .strictObject({
    unmanagedPods: z
      .enum(['keep', 'delete'])
      .default('keep')
      .describe('Pods that no controller makes anew. `keep`: the drain does not begin while there is one.'),
    emptyDirPods: z
      .enum(['keep', 'delete'])
      .default('keep')
      .describe('Pods with emptyDir volumes, whose data ends with them. `keep`: the drain does not begin while there is one.'),
    graceSeconds: seconds(0, 86_400).exactOptional().describe('Grace period of every Pod. Without it, what each Pod says of itself.'),
    deadlineSeconds: seconds(10, 86_400).default(900).describe('How long a drain may take.'),
    atDeadline: z
      .enum(['stop', 'continue', 'delete'])
      .default('stop')
      .describe(
        'What then. `stop`: the remedy ends there, and a person decides. `continue`: the next step. `delete`: the Pods that are left are deleted, whatever their budgets say.',
      ),
    parallel: wholeNumber({ from: 1, to: 1000, of: 'Pods' })
      .default(50)
      .describe('Pods of one drain that may be on their way out at the same time.'),
  })
  .prefault({})
  .describe('How `drain` goes about it.');

/** What a HealPolicy may say as well: nothing that names a program, a file or a secret of the hosts. */
const policyShape = {
  paused: z
    .boolean()
    .default(false)
    .describe('`true`: nothing new is begun. `hale heal pause` does the same without a change of this file.'),
  rules: z
    .array(rule, 'a list of rules, each with a name, when and steps')
    .prefault([])
    .describe(
      'Which nodes are unhealthy and what follows; the first that fits counts. When empty: a node whose heartbeat is missing for 40 s, or that is not ready for 300 s, is cordoned and drained, and switched off and on where `power` is set.',
    ),
  limits,
  drain,
  recoverySeconds: seconds(0, 86_400)
    .default(60)
    .describe('How long a node must be healthy again until it is uncordoned and what hale set on it is taken back.'),
  patienceSeconds: seconds(60, 86_400)
    .default(900)
    .describe('How long after the last step a node may take to be healthy; then the remedy has failed, and the back-off begins.'),
};

export const healPolicySchema = z.strictObject(policyShape);

const PLACEHOLDERS = '`{node}`, `{address}` (its InternalIP) and `{bmc}` stand for those of the node.';
const ARGUMENTS = 'a list of words, the first an absolute path';
const command = z
  .array(text(ARGUMENTS), ARGUMENTS)
  .min(1, ARGUMENTS)
  .refine(([program]) => program?.startsWith('/') === true, ARGUMENTS);

const power = z
  .strictObject({
    by: z
      .enum(['none', 'redfish', 'ipmi', 'command'])
      .default('none')
      .describe(
        'What switches hosts off and on, and says which they are: their management controllers by Redfish or IPMI, or a command of yours.',
      ),
    url: text('an https URL such as https://{bmc}')
      .default('https://{bmc}')
      .describe(
        `With \`redfish\`: where the service is. ${PLACEHOLDERS} A path beyond the host is that of the ComputerSystem (\`/redfish/v1/Systems/1\`); without one, the only system there is taken.`,
      ),
    host: text('a name or an address such as {bmc}')
      .default('{bmc}')
      .describe(`With \`ipmi\`: the management controller, with its port after a colon where that is not 623. ${PLACEHOLDERS}`),
    credentialsFile: filePath('/etc/hale/bmc-credentials')
      .default('/etc/hale/bmc-credentials')
      .describe(
        'With `redfish` and `ipmi`: file that only its owner may read, with `username = ` and `password = `. It may hold `[NODE]` sections for nodes that differ.',
      ),
    caFile: filePath('/etc/hale/bmc-ca.crt')
      .exactOptional()
      .describe(
        "With `redfish`: certificate authority that signed the controllers' certificates. Without it, those that this system trusts.",
      ),
    command: command
      .exactOptional()
      .describe(
        `With \`command\`: what is run, with \`state\`, \`off\` or \`on\` as one more word. For \`state\` it prints \`on\` or \`off\`. ${PLACEHOLDERS}`,
      ),
    timeoutSeconds: seconds(1, 600).default(20).describe('How long one call may take.'),
    offSeconds: seconds(5, 3600).default(120).describe('How long a host may take until it is off, before `power-off` has failed.'),
  })
  .prefault({})
  .describe("The hosts' power.");

const ssh = z
  .strictObject({
    user: text('the name of a user such as root').default('root').describe('Who logs in.'),
    options: z
      .array(text('options of ssh such as Port=2222'), 'a list of options of ssh such as Port=2222')
      .prefault([])
      .describe('More options, as `ssh -o` takes them.'),
    rebootCommand: text('a command such as systemctl reboot').default('systemctl reboot').describe('What is run there.'),
  })
  .prefault({})
  .describe('How `reboot` reaches a host: the OpenSSH of the control-plane host, with a key and without a question.');

export const heal = z
  .strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe('Whether the agents run `hale heal run` on every control-plane host; one of them acts, which holds the Lease `hale-heal`.'),
    dryRun: z.boolean().default(false).describe('`true`: everything is decided and reported, and nothing done.'),
    policyFrom: z
      .enum(['description', 'resource'])
      .default('description')
      .describe(
        'Where the policy is: in this file, or in the HealPolicy `default` in the API (`hale heal manifests crd`), which has the keys `paused`, `rules`, `limits`, `drain`, `recoverySeconds` and `patienceSeconds`. What names programs and secrets of the hosts is only ever here.',
      ),
    metricsAddress: listenAddress
      .exactOptional()
      .describe("Address and TCP port of the controller's Prometheus metrics, such as 127.0.0.1:7702; none without it."),
    ...policyShape,
    power,
    ssh,
    replaceCommand: command.exactOptional().describe(`What \`replace\` runs; status 0 means that the machine is replaced. ${PLACEHOLDERS}`),
  })
  .prefault({})
  .describe('Nodes that heal themselves (`hale heal`, `hale node`).');

export type HealSettings = z.output<typeof heal>;
export type HealPolicy = z.output<typeof healPolicySchema>;
export type HealRule = HealPolicy['rules'][number];
export type HealSignal = HealRule['when'][number];
export type HealWindow = HealRule['windows'][number];
export type HealStep = (typeof HEAL_STEPS)[number];
export type DrainSettings = HealPolicy['drain'];
