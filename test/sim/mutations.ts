/** Bugs to plant into the lease core, each a change of one place of its text, and the scope in which the explorer finds it. */
export interface Mutation {
  /** What the broken core does. */
  name: string;
  file: string;
  find: string;
  replace: string;
  scope: string;
}

const inFile = (file: string) => (name: string, change: { find: string; replace: string; scope: string }) => ({ name, file, ...change });
const granter = inFile('granter.ts');
const candidate = inFile('candidate.ts');
const holder = inFile('holder.ts');
const handover = inFile('handover.ts');
const member = inFile('member.ts');

export const mutations: readonly Mutation[] = [
  candidate('a new holder counts from the answer instead of the request', {
    find: 'seq: role.seq, sentAt: role.sentAt, granted });',
    replace: 'seq: role.seq, sentAt: turn.now, granted });',
    scope: 'late-agents',
  }),
  holder('a renewal counts from the answer instead of the request', {
    find: 'Math.max(role.grantedUntil[from] as number, round.sentAt + config.holdMs)',
    replace: 'Math.max(role.grantedUntil[from] as number, turn.now + config.holdMs)',
    scope: 'renewals',
  }),
  inFile('timing.ts')('the drift margin is missing', {
    find: 'return (timing.leaseMs * (1 - driftBound)) / (1 + driftBound);',
    replace: 'return driftBound >= 0 ? timing.leaseMs : 0;',
    scope: 'drift',
  }),
  granter('a restarted granter answers at once', {
    find: 'silentUntil: options.now + SILENCE_MS,',
    replace: 'silentUntil: options.now + 0 * SILENCE_MS,',
    scope: 'restart',
  }),
  granter('a granter forgets what it promised', {
    find: 'return granter.promise !== undefined && now < granter.promise.until ? granter.promise : undefined;',
    replace: 'return granter.promise !== undefined && now < 0 ? granter.promise : undefined;',
    scope: 'two-candidates',
  }),
  granter('a promise ends before the candidate stops counting on it', {
    find: 'until: now + timing.leaseMs }',
    replace: 'until: now + timing.leaseMs / 2 }',
    scope: 'two-candidates',
  }),
  inFile('state.ts')('a minority is enough', {
    find: 'return count >= majority(config.members);',
    replace: 'return count >= majority(config.members) - 1;',
    scope: 'two-candidates',
  }),
  candidate('a candidate holds although its own granter promised to another', {
    find: "if (requestAll(turn, { purpose: 'acquire', round, term })) receivePromise",
    replace: "if (requestAll(turn, { purpose: 'acquire', round, term }) || true) receivePromise",
    scope: 'polls',
  }),
  member('answers to an earlier run count', {
    find: '  const { state } = turn;\n  if (message.round.boot !== state.boot) return;\n  const { seq } = message.round;',
    replace: '  const { state } = turn;\n  const { seq } = message.round;',
    scope: 'rejoin',
  }),
  granter('a release frees a later round', {
    find: 'p.round.boot === release.round.boot && p.round.seq <= release.round.seq;',
    replace: 'p.round.boot === release.round.boot;',
    scope: 'given-back',
  }),
  granter('a release of an earlier run frees the promise to a later one', {
    find: 'p.candidate === from && p.round.boot === release.round.boot && p.round.seq <= release.round.seq;',
    replace: 'p.candidate === from && p.round.seq <= release.round.seq;',
    scope: 'guardian',
  }),
  candidate('a round is given back but still counted on', {
    find: "    role: { name: 'follower' },\n    failedRounds: failedRounds + 1,",
    replace: "    role: role.name === 'acquiring' ? role : { name: 'follower' },\n    failedRounds: failedRounds + 1,",
    scope: 'given-back',
  }),
  handover('a failed withdrawal is taken for a withdrawal', {
    find: 'if (!ok) return update',
    replace: 'if (!ok && role.retryAt < 0) return update',
    scope: 'refused-withdrawal',
  }),
  handover('the successor holds as soon as it has its majority', {
    find: 'if (!before && hasMajority(config, role.granted | (1 << from))) sendReady(turn);',
    replace:
      'if (!before && hasMajority(config, role.granted | (1 << from))) becomeHolder(turn, { ...role, granted: role.granted | (1 << from), predecessor: role.predecessor });',
    scope: 'hand-over',
  }),
  handover('the holder yields without withdrawing', {
    find: "lose(turn, 'handed-over', { member: from, round: message.round, term: message.term });",
    replace: "turn.outputs.push({ kind: 'send', to: from, message: { kind: 'yield', round: message.round, term: message.term } });",
    scope: 'hand-over',
  }),
  granter('a third candidate gets a promise during a succession', {
    find: 'const others = [consented ? undefined : promise, succession]',
    replace: 'const others = [granter.consent !== undefined ? undefined : promise]',
    scope: 'contested-hand-over',
  }),
  granter('anybody may name a successor', {
    find: 'if (promise === undefined || promise.candidate !== from || promise.term !== handover.term) return granter;',
    replace: 'if (promise === undefined) return granter;',
    scope: 'overtaken-hand-over',
  }),
];
