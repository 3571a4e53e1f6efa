/** A text from outside without the secrets that it may repeat. */
export function hideSecrets(text: string, secrets: readonly string[]): string {
  return secrets.filter((secret) => secret !== '').reduce((shown, secret) => shown.replaceAll(secret, '(hidden)'), text);
}
