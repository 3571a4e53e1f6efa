/** Credentials of management controllers. */
import { deepEqual, ok } from 'node:assert/strict';
import { parseCredentials } from '../../../src/drivers/power/credentials.ts';
import { refusalOf } from '../refusal.ts';
import type { Target } from '../target.ts';

const SECRET = 'hunter2-secret';

const powerCredentials: Target = {
  name: 'power-credentials',
  property: 'a file gives a name and a password that HTTP and an environment take, or is refused in words that show neither',
  seeds: [
    `username = admin\npassword = ${SECRET}\n`,
    `# all\r\nusername=${SECRET}\r\n[cp1]\r\npassword = a=b # c\r\n[cp2]\nusername = x\n`,
    `${SECRET}\n`,
    `[${SECRET}`,
  ].map((text) => Buffer.from(text)),
  text: true,
  maxLength: 1024,
  run(input) {
    const refusal = refusalOf(() => {
      const file = parseCredentials(Buffer.from(input).toString(), '/bmc');
      for (const node of ['cp1', 'cp2']) {
        const { username, password } = file.of(node);
        ok(
          username !== '' && password !== '' && !/\p{Cc}/u.test(username + password) && !username.includes(':'),
          'a word that cannot be sent',
        );
        const again = parseCredentials(`[${node}]\npassword = ${password}\nusername = ${username}`, '/bmc').of(node);
        deepEqual(again, { username, password });
      }
    });
    // The name of a section is shown, and a short piece of one may be anything.
    ok(!refusal?.message.includes(SECRET) || Buffer.from(input).toString().includes(`[${SECRET}]`), 'a value is shown');
  },
};

export const powerTargets: readonly Target[] = [powerCredentials];
