import { HaleError } from '../base/error.ts';
import { removeSteering } from '../drivers/linux/socket/steering.ts';
import { CONTROL_SOCKET } from '../ports/control.ts';
import { refuseIfRunning } from './control.ts';

/** Removes what hale leaves in this machine's kernel on purpose, and names it. Throws HaleError `agent_running`, `uninstall_refused`. */
export async function uninstall(): Promise<string[]> {
  await refuseIfRunning(CONTROL_SOCKET);
  const steering = removeSteering({});
  if (steering.ok) return steering.removed;
  throw new HaleError({
    code: 'uninstall_refused',
    kind: 'world',
    message: `the programs that steer connections could not be removed: ${steering.reason}`,
    remedy: 'run it as root, outside containers; a restart of the machine removes them, too',
  });
}
