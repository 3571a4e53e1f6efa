import { mkdtempSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REDFISH_EMULATOR, redfishEmulatorFolder } from '../../scripts/programs/redfish-emulator.ts';
import { findProgram } from '../../src/lab/find-program.ts';
import { createAuthority } from '../../src/drivers/pki/authority.ts';
import { writeKeyPair } from '../../src/drivers/pki/files.ts';
import { untilWithin } from './hale.ts';
import { LoggedProcess } from './logged-process.ts';
import { freePorts } from './ports.ts';

export interface RedfishSystem {
  /** Its path is `/redfish/v1/Systems/NAME`. */
  name: string;
  power: string;
}

/** A Redfish service with TLS on 127.0.0.1, in a temporary folder of its own. A request takes it about 20 ms, its start about a second. */
export interface RedfishEmulator {
  dir: string;
  /** `https://127.0.0.1:PORT`. */
  url: string;
  caFile: string;
  credentialsFile: string;
  password: string;
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

/** Why tests with it cannot run here, for the title of a skipped suite; undefined when they can. */
export function redfishProblem(): string | undefined {
  if (findProgram('python3') === undefined) return 'skipped: no python3';
  return existsSync(redfishEmulatorFolder()) ? undefined : 'skipped: no Redfish emulator: `npm run redfish:get` installs it';
}

const PASSWORD = 'hale-test-bmc-password';
/** bcrypt of it, with few rounds. */
const PASSWORD_HASH = '$2b$04$JuMsWzX7Xb3U/oIur.JDAOi03jfUbsyg/RW1CWF81GznTsKiZZ12S';

export interface RedfishOptions {
  systems: readonly RedfishSystem[];
  /** How long a host takes to change its power. By default as the emulator has it: 1 to 11 s, by chance. */
  transitionSeconds?: number;
}

export async function startRedfish(options: RedfishOptions): Promise<RedfishEmulator> {
  const dir = mkdtempSync(join(tmpdir(), 'hale-redfish-'));
  const authority = await createAuthority({ commonName: 'bmc-ca', validityDays: 1 });
  const certificate = { commonName: 'bmc', dnsNames: [], ipAddresses: ['127.0.0.1'], usages: ['server' as const], validityDays: 1 };
  const caFile = join(dir, 'ca.crt');
  writeFileSync(caFile, authority.certPem);
  writeKeyPair(dir, 'bmc', await authority.issue(certificate));
  const credentialsFile = join(dir, 'credentials');
  writeFileSync(credentialsFile, `username = admin\npassword = ${PASSWORD}\n`, { mode: 0o600 });
  writeFileSync(join(dir, 'auth'), `admin:${PASSWORD_HASH}\n`);
  const [port] = (await freePorts(1)) as [number];
  writeFileSync(join(dir, 'config.py'), configOf(options, { dir, port }));
  const argv = [
    'env',
    `PYTHONPATH=${redfishEmulatorFolder()}`,
    'python3',
    '-m',
    REDFISH_EMULATOR.module,
    '--config',
    join(dir, 'config.py'),
  ];
  const emulator = new LoggedProcess(argv, join(dir, 'log'));
  emulator.start();
  const close = async () => {
    await emulator.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  const url = `https://127.0.0.1:${port}`;
  try {
    const look = () => (emulator.running ? isThere(`${url}/redfish/v1/`, authority.certPem) : Promise.reject(new Error(emulator.logEnd)));
    await untilWithin(30_000, { look, wanted: (there) => there, what: 'the Redfish emulator answers' });
  } catch (error) {
    await close();
    throw error;
  }
  const freeze = () => emulator.freeze();
  return { dir, url, caFile, credentialsFile, password: PASSWORD, freeze, thaw: () => emulator.signal('SIGCONT'), close };
}

/** It is Python, and what it sets are the names of the emulator's documentation. JSON has the same lists, objects and texts. */
function configOf({ systems, transitionSeconds }: RedfishOptions, { dir, port }: { dir: string; port: number }): string {
  const fakes = systems.map(({ name, power }) => ({ uuid: name, name: `${name}-alias`, power_state: power, nics: [] }));
  return [
    "SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'",
    `SUSHY_EMULATOR_LISTEN_PORT = ${port}`,
    `SUSHY_EMULATOR_SSL_CERT = ${JSON.stringify(join(dir, 'bmc.crt'))}`,
    `SUSHY_EMULATOR_SSL_KEY = ${JSON.stringify(join(dir, 'bmc.key'))}`,
    `SUSHY_EMULATOR_AUTH_FILE = ${JSON.stringify(join(dir, 'auth'))}`,
    `SUSHY_EMULATOR_STATE_DIR = ${JSON.stringify(join(dir, 'state'))}`,
    'SUSHY_EMULATOR_FAKE_DRIVER = True',
    `SUSHY_EMULATOR_FAKE_SYSTEMS = ${JSON.stringify(fakes)}`,
    // The fake driver has no setting for it.
    ...(transitionSeconds === undefined ? [] : ['import random', `random.randint = lambda low, high: ${transitionSeconds}`]),
    '',
  ].join('\n');
}

function isThere(url: string, ca: string): Promise<boolean> {
  return new Promise((resolve) => {
    const req = request(url, { ca, agent: false, timeout: 5000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    req.on('timeout', () => req.destroy());
    req.on('error', () => resolve(false));
    req.end();
  });
}
