import { HaleError } from '../../base/error.ts';
import { type Facts, type Stand, standOf, standText, stepsLeft } from '../../core/etcd/rebuild/journal.ts';
import { type Action, commandOf, type Operation, type Step } from '../../core/etcd/rebuild/step.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import type { Host } from '../../ports/host.ts';
import type { Journal } from '../../ports/journal.ts';
import { perform } from './perform.ts';

/** What an operation is carried out with. */
export interface OperationWorld {
  hosts: readonly Host[];
  journal: Journal;
  clock: Clock;
  /** Abort to stop: what is under way is cut short, and may be gone on with. */
  signal: EtcdStopSignal;
  /** Reads the snapshot from its beginning. */
  openSnapshot?: () => AsyncIterable<Uint8Array>;
  /** Why a client gets no answer at the shared address; undefined when it gets one. */
  askAddress?: () => Promise<string | undefined>;
  tell: Telling;
}

/** Where progress goes. */
export interface Telling {
  step(text: string): void;
  at(text: string): void;
}

/** Begins an operation; from here on its journal is open. */
export async function beginOperation(operation: Operation, world: OperationWorld): Promise<Stand> {
  world.journal.append({ kind: 'plan', operation });
  return await goOn(world);
}

/** Carries out what is left of the operation in the journal. HaleError `operation_stopped` when a step fails, `operation_interrupted` after an abort. */
export async function goOn(world: OperationWorld): Promise<Stand> {
  const { journal } = world;
  const stand = standIn(world);
  for (const step of stepsLeft(stand)) {
    journal.append({ kind: 'begun', step: step.id });
    const facts = await attempt(world, {
      operation: stand.operation,
      step,
      phases: step.phases,
      doing: `${numberOf(stand, step)} ${step.does}`,
    });
    journal.append({ kind: 'done', step: step.id, facts });
  }
  journal.append({ kind: 'closed', how: 'finished' });
  return standIn(world);
}

/** `3/12`, as in the plan that was shown. */
function numberOf({ operation: { steps } }: Stand, step: Step): string {
  return `${steps.indexOf(step) + 1}/${steps.length}`;
}

/** Puts back what was begun, the last first, and leaves out hosts that are gone for good. HaleErrors as of `goOn`. */
export async function rollBack(world: OperationWorld, gone: readonly string[] = []): Promise<Stand> {
  const { journal } = world;
  const { operation, begun } = standIn(world);
  for (const step of begun.toReversed()) {
    journal.append({ kind: 'undoing', step: step.id });
    await attempt(world, {
      operation,
      step,
      phases: (step.undo ?? []).map((phase) => phase.filter(({ host }) => !gone.includes(host))),
      doing: `undoing: ${step.does}`,
    });
    journal.append({ kind: 'undone', step: step.id });
  }
  journal.append({ kind: 'closed', how: 'rolled back' });
  return standIn(world);
}

function standIn({ journal }: OperationWorld): Stand {
  const stand = standOf(journal.read());
  if (stand !== undefined) return stand;
  throw new HaleError({ code: 'operation_unknown', kind: 'world', message: 'the journal holds no plan', remedy: 'begin anew' });
}

interface Attempt {
  operation: Operation;
  step: Step;
  phases: readonly (readonly Action[])[];
  doing: string;
}

async function attempt(world: OperationWorld, { operation, step, phases, doing }: Attempt): Promise<Facts> {
  if (phases.length > 0) world.tell.step(doing);
  let facts: Facts = {};
  try {
    for (const phase of phases) {
      const found = await Promise.allSettled(phase.map((action) => perform(action, { operation, world })));
      // All of a phase have ended when one of them is told of, so that nothing works on behind a command that has ended.
      for (const result of found) if (result.status === 'fulfilled') facts = { ...facts, ...result.value };
      throwFirst(found);
      if (world.signal.aborted) throw new Error('interrupted');
    }
    return facts;
  } catch (error) {
    const reason = world.signal.aborted ? 'interrupted' : (error as Error).message;
    world.journal.append({ kind: 'failed', step: step.id, reason });
    throw stopped(world, { reason, cause: error });
  }
}

function throwFirst(results: readonly PromiseSettledResult<unknown>[]): void {
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (reasons.length === 1) throw reasons[0];
  if (reasons.length > 1) throw new Error(reasons.map((reason) => (reason as Error).message).join('; '), { cause: reasons[0] });
}

function stopped(world: OperationWorld, { reason, cause }: { reason: string; cause: unknown }): HaleError {
  const stand = standIn(world);
  const command = commandOf(stand.operation);
  const backwards = stand.state === 'rolling back';
  return new HaleError({
    code: reason === 'interrupted' ? 'operation_interrupted' : 'operation_stopped',
    kind: 'world',
    message: standText(stand),
    remedy: backwards
      ? `${command} --rollback goes on with it`
      : `${reason === 'interrupted' ? '' : 'when the cause is gone, '}${command} --resume goes on; ${command} --rollback puts things back`,
    cause,
  });
}
