/** Child of nat.test.ts: the datapath of one plan, and of a second one after SIGUSR2; takes all down at SIGTERM. */
import { NatDatapath } from '../../../src/drivers/linux/nat/nat.ts';

const [plan, next] = process.argv.slice(2).map((text) => JSON.parse(text));
const log = {
  debug() {},
  info() {},
  warn() {},
  error: (facts: object, message: string) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`),
};
const nat = NatDatapath.open(plan, { interfaceNames: ['eth0'], masquerade: true, log, onForgotten() {} });
process.on('SIGUSR2', () => nat.apply(next));
process.on('SIGTERM', () => void nat.close().then(() => process.exit(0)));
setInterval(() => {}, 1000);
process.stdout.write('ready\n');
