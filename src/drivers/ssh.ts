/* What every use of this system's OpenSSH has in common. */
import { HaleError } from '../base/error.ts';

/** No question is asked, since nobody is there to answer, and a host that is gone is noticed within 15 s. */
export const SSH_OPTIONS = ['BatchMode=yes', 'ConnectTimeout=10', 'ServerAliveInterval=5', 'ServerAliveCountMax=2', 'LogLevel=ERROR'];

export function noSsh(error: Error): HaleError {
  return new HaleError({
    code: 'ssh_missing',
    kind: 'world',
    message: `ssh cannot be run: ${error.message}`,
    remedy: 'install the client of OpenSSH, which Debian calls openssh-client',
    cause: error,
  });
}
