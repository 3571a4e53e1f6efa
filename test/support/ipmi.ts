import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../src/lab/find-program.ts';
import { until } from './hale.ts';
import { LoggedProcess } from './logged-process.ts';
import { freePorts } from './ports.ts';

/** A management controller that speaks IPMI 2.0 on 127.0.0.1 (OpenIPMI's ipmi_sim), in a temporary folder of its own. */
export interface IpmiSimulator {
  dir: string;
  /** `127.0.0.1:PORT`. */
  host: string;
  credentialsFile: string;
  password: string;
  /** Whether its host has power. */
  isOn(): boolean;
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

/** Why tests with it cannot run here, for the title of a skipped suite; undefined when they can. */
export function ipmiProblem(): string | undefined {
  if (findProgram('ipmitool') === undefined) return 'skipped: no ipmitool: apt-get install ipmitool';
  return findProgram('ipmi_sim') === undefined ? 'skipped: no ipmi_sim: apt-get install openipmi' : undefined;
}

const PASSWORD = 'hale-bmc-password';

export async function startIpmi(): Promise<IpmiSimulator> {
  const dir = mkdtempSync(join(tmpdir(), 'hale-ipmi-'));
  const [port] = (await freePorts(1)) as [number];
  mkdirSync(join(dir, 'state'));
  writeFileSync(join(dir, 'power'), '1');
  writeFileSync(join(dir, 'chassis'), chassisControl(dir), { mode: 0o700 });
  writeFileSync(join(dir, 'lan.conf'), lanConfig(dir, port));
  writeFileSync(join(dir, 'sim.emu'), 'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n');
  const credentialsFile = join(dir, 'credentials');
  writeFileSync(credentialsFile, `username = admin\npassword = ${PASSWORD}\n`, { mode: 0o600 });
  const file = (name: string) => join(dir, name);
  const argv = [findProgram('ipmi_sim') as string, '-c', file('lan.conf'), '-f', file('sim.emu'), '-s', file('state'), '-n'];
  const simulator = new LoggedProcess(argv, file('log'));
  simulator.start();
  const close = async () => {
    await simulator.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const look = () => readFileSync('/proc/net/udp', 'utf8');
    const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    await until(look, (sockets) => sockets.includes(local), 'ipmi_sim listens');
  } catch (error) {
    await close();
    throw error;
  }
  const isOn = () => existsSync(file('power')) && readFileSync(file('power'), 'utf8').trim() === '1';
  const freeze = () => simulator.freeze();
  return {
    dir,
    host: `127.0.0.1:${port}`,
    credentialsFile,
    password: PASSWORD,
    isOn,
    freeze,
    thaw: () => simulator.signal('SIGCONT'),
    close,
  };
}

/** ipmi_lan(5). */
function lanConfig(dir: string, port: number): string {
  return `name "host"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 ${port}
    priv_limit admin
    allowed_auths_admin md5
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "${join(dir, 'chassis')}"
  user 2 true "admin" "${PASSWORD}" admin 10
`;
}

/** What the simulator runs with `get power`, which prints `power:1`, or `set power 0`. */
function chassisControl(dir: string): string {
  return `#!/bin/sh
while [ $# -gt 1 ]; do
  case "$1 $2" in
    "get power") echo "power:$(cat '${join(dir, 'power')}')"; shift 2 ;;
    "set power") echo "$3" >'${join(dir, 'power')}'; shift 3 ;;
    *) shift ;;
  esac
done
`;
}
