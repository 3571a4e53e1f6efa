import { parseIp } from '../../base/address.ts';
import { hideSecrets } from '../../base/hide.ts';
import type { PowerTarget } from '../../ports/power.ts';
import { runCommand } from '../command.ts';
import { neither, outputOf } from './command.ts';
import { filled, type KnownState, type PowerController, PowerProblem } from './controller.ts';
import { type Credentials, readCredentials } from './credentials.ts';

export interface IpmiSettings {
  /** Name or address of the management controller, with its port where that is not 623; placeholders as in cluster.yaml. */
  host: string;
  credentialsFile: string;
}

/** Three tries of 1, 2 and 3 s for each message: those that never answer one (a question for cipher suites, often) leave time for the others. */
const RETRIES = '3';

/** IPMI 2.0 (RMCP+) through this system's ipmitool. Its cipher suite is the best one that the controller says it has. */
export function ipmiController({ host: template, credentialsFile }: IpmiSettings): PowerController {
  const run = async (host: PowerTarget, verb: 'status' | 'on' | 'off', deadline: AbortSignal): Promise<string> => {
    const credentials = readCredentials(credentialsFile).of(host.node);
    const place = splitPort(filled(template, host));
    return await chassisPower({ ...place, credentials, verb }, deadline);
  };
  return {
    name: 'IPMI',
    async read(host, deadline): Promise<KnownState> {
      const said = (await run(host, 'status', deadline)).trim();
      // IPMI 2.0, section 28.2: bit 0 of the current power state, in ipmitool's words.
      if (said === 'Chassis Power is on') return { kind: 'on' };
      if (said === 'Chassis Power is off') return { kind: 'off' };
      throw neither('ipmitool', said);
    },
    async order(host, wanted, deadline) {
      await run(host, wanted, deadline);
    },
  };
}

interface Call {
  name: string;
  port: string;
  credentials: Credentials;
  verb: string;
}

async function chassisPower({ name, port, credentials: { username, password }, verb }: Call, deadline: AbortSignal): Promise<string> {
  const words = ['-I', 'lanplus', '-H', name, '-p', port, '-U', username, '-R', RETRIES, '-E', 'chassis', 'power', verb];
  // The environment of a process is shown to nobody but its user; its words are shown to all (proc_pid_cmdline(5)).
  const env = { PATH: process.env['PATH'], LC_ALL: 'C', IPMITOOL_PASSWORD: password };
  const end = await runCommand(['ipmitool', ...words], { deadline, env });
  if (end.kind === 'unstartable' && end.error.code === 'ENOENT')
    throw new PowerProblem('ipmitool is not there: install it on every control-plane host (the Debian package is called ipmitool)');
  try {
    return outputOf(end, `ipmitool chassis power ${verb} at ${name}`);
  } catch (error) {
    const reason = hideSecrets((error as Error).message, [password]);
    // It says no more than this of a controller that is not there, and of a wrong password.
    const isShut = reason.includes('Unable to establish IPMI');
    throw new PowerProblem(isShut ? `${reason} (is it there, and are the credentials right?)` : reason);
  }
}

/** `10.1.0.11:6230`, `[fd00::11]:6230`, and both without a port, as IPv6 addresses also without brackets. */
function splitPort(text: string): { name: string; port: string } {
  if (parseIp(text) !== undefined) return { name: text, port: '623' };
  const [, bracketed, plain, port = '623'] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^[\]:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const name = bracketed ?? plain;
  if (name === undefined) throw new PowerProblem(`${JSON.stringify(text)} is no name or address of a management controller`);
  return { name, port };
}
