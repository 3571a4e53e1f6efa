/** A seeded source of randomness, so that jitter and simulations replay. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, bound). */
  below(bound: number): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
}

/** sfc32 (Chris Doty-Humphrey, PractRand): small, fast and good enough for simulation; not for secrets. */
export function createRandom(seed: number): Random {
  let a = seed | 0;
  let b = Math.floor(seed / 0x1_0000_0000) | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  const draw = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 0x1_0000_0000;
  };
  for (let i = 0; i < 12; i++) draw();
  return {
    next: draw,
    below: (bound) => Math.floor(draw() * bound),
    between: (low, high) => low + draw() * (high - low),
    chance: (probability) => draw() < probability,
  };
}

/**
 * One draw for a machine that keeps the generator in its own state, so that a run replays: what to draw from next, and a fraction in [0, 1).
 * A Weyl sequence through a multiplicative hash.
 */
export function drawFrom(seed: number): { next: number; fraction: number } {
  const next = (seed + 0x9e3779b9) >>> 0;
  let hash = Math.imul(next ^ (next >>> 16), 0x21f0aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return { next, fraction: ((hash ^ (hash >>> 15)) >>> 0) / 0x1_0000_0000 };
}
