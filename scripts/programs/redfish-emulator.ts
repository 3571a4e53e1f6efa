import { join } from 'node:path';
import { programCache } from '../../src/lab/program-cache.ts';

/** The Redfish service of the tests: OpenStack's emulator, with the hosts of its fake driver. `npm run redfish:get` installs it. */
export const REDFISH_EMULATOR = { package: 'sushy-tools', version: '2.2.0', module: 'sushy_tools.emulator.main' } as const;

/** Folder for PYTHONPATH that has it when it is there. */
export function redfishEmulatorFolder(): string {
  return join(programCache(REDFISH_EMULATOR.package, REDFISH_EMULATOR.version), 'python');
}
