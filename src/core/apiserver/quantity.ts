const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };

const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i|[numkMGTPE]?)|[eE]([+-]?\d{1,3}))$/;

/** A quantity such as `100m`, `64Mi`, `1e3` or the number 2 (kubernetes.io, "Quantity"), times `scale`; undefined when it is none. */
export function readQuantity(value: unknown, scale = 1): number | undefined {
  if (typeof value === 'number') return finite(value * scale);
  const [, digits, suffix = '', exponent] = (typeof value === 'string' && QUANTITY.exec(value)) || [];
  if (digits === undefined) return undefined;
  const bits = BINARY[suffix];
  if (bits !== undefined) return finite(Number(digits) * 2 ** bits * scale);
  // As text, so that 1.1k is 1100 and not a little more.
  return finite(Number(`${digits}e${exponent ?? DECIMAL[suffix]}`) * scale);
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}
