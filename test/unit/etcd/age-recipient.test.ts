import { generateHybridIdentity, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { expect, test } from 'vitest';
import { isAgeRecipient } from '../../../src/core/etcd/snapshot/age-recipient.ts';

test("age's public keys are recognised, and one wrong letter is seen", async () => {
  for (const identity of [await generateX25519Identity(), await generateHybridIdentity()]) {
    const recipient = await identityToRecipient(identity);
    expect(isAgeRecipient(recipient)).toBe(true);
    for (let i = 0; i < Math.min(recipient.length, 80); i++) {
      const other = recipient[i] === 'q' ? 'p' : 'q';
      expect(isAgeRecipient(recipient.slice(0, i) + other + recipient.slice(i + 1))).toBe(false);
    }
    expect(isAgeRecipient(identity)).toBe(false);
    expect(isAgeRecipient(`${recipient}\n`)).toBe(false);
  }
  expect(isAgeRecipient('ssh-ed25519 AAAAC3Nza')).toBe(false);
});
