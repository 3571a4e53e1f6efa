import { InvalidArgumentError } from 'commander';

/** Reads an option's value: digits only, below 10^15. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}
