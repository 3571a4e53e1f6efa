/**
 * Which authenticated datagrams of a peer are fresh. A recorded datagram stays authentic for ever, so a peer's run is believed only
 * after it answered a challenge of ours, and then each counter of that run once (sliding window as in RFC 4303 section 3.4.3).
 *
 *   unknown run --hello(challenge)--> peer --hello(echo)--> run adopted; every run adopted before is refused from then on
 */
import type { Boot } from '../lease/message.ts';

const WINDOW = 64;
/** A challenge stays the same for this long, so that replayed datagrams cannot push aside the answer under way. */
const CHALLENGE_MS = 1000;
const CHALLENGE_AGAIN_MS = 20;

export interface Session {
  /** The peer's run that answered our challenge. */
  boot: Boot | undefined;
  highest: number;
  /** Bit i: counter `highest - i` was seen. */
  seen: bigint;
  challenge: { nonce: number; since: number; sentAt: number } | undefined;
}

export function createSession(): Session {
  return { boot: undefined, highest: 0, seen: 0n, challenge: undefined };
}

export interface Hello {
  /** Non-zero: please echo this. */
  challenge: number;
  /** Non-zero: your challenge. */
  echo: number;
}

export interface Arrival {
  boot: Boot;
  counter: number;
  hello: Hello | undefined;
}

export type Verdict = 'accept' | 'replayed' | 'unknown-session' | 'hello';

export interface SessionStep {
  session: Session;
  verdict: Verdict;
  /** To be sent to the peer. */
  reply: Hello | undefined;
}

/** Judges one authentic datagram. `nonce`: fresh, random, non-zero, used if a challenge has to be made. */
export function receiveArrival(session: Session, arrival: Arrival, context: { now: number; nonce: number }): SessionStep {
  if (arrival.hello !== undefined) return receiveHello(session, { ...arrival, hello: arrival.hello }, context);
  if (arrival.boot !== session.boot) {
    const challenged = challenge(session, context);
    return { ...challenged, verdict: 'unknown-session' };
  }
  const window = slide(session, arrival.counter);
  return window === undefined
    ? { session, verdict: 'replayed', reply: undefined }
    : { session: window, verdict: 'accept', reply: undefined };
}

function receiveHello(session: Session, arrival: Arrival & { hello: Hello }, context: { now: number; nonce: number }): SessionStep {
  const { hello, boot, counter } = arrival;
  let next = session;
  const answered = hello.echo !== 0 && session.challenge !== undefined && hello.echo === session.challenge.nonce;
  if (answered && session.boot !== boot) next = { boot, highest: counter, seen: 1n, challenge: undefined };
  if (hello.challenge === 0) return { session: next, verdict: 'hello', reply: undefined };
  const own = next.boot === boot ? { session: next, reply: undefined } : challenge(next, context);
  return { session: own.session, verdict: 'hello', reply: { challenge: own.reply?.challenge ?? 0, echo: hello.challenge } };
}

/** The challenge to send now, if one is due. */
export function challenge(session: Session, context: { now: number; nonce: number }): { session: Session; reply: Hello | undefined } {
  const { now, nonce } = context;
  const running = session.challenge !== undefined && now - session.challenge.since < CHALLENGE_MS ? session.challenge : undefined;
  if (running !== undefined && now - running.sentAt < CHALLENGE_AGAIN_MS) return { session, reply: undefined };
  const next = running === undefined ? { nonce, since: now, sentAt: now } : { ...running, sentAt: now };
  return { session: { ...session, challenge: next }, reply: { challenge: next.nonce, echo: 0 } };
}

function slide(session: Session, counter: number): Session | undefined {
  if (counter > session.highest) {
    const shift = counter - session.highest;
    const seen = shift >= WINDOW ? 1n : ((session.seen << BigInt(shift)) | 1n) & ((1n << BigInt(WINDOW)) - 1n);
    return { ...session, highest: counter, seen };
  }
  const age = session.highest - counter;
  if (age >= WINDOW || (session.seen >> BigInt(age)) & 1n) return undefined;
  return { ...session, seen: session.seen | (1n << BigInt(age)) };
}
