import { exabgp } from '../support/routers/exabgp.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

// It keeps no routes, looks at no TTL when it listens, and shows no text of the other side.
describeSessions(exabgp, {
  shutdownWords: undefined,
  ended: 'Cease/Administrative Shutdown: Administrative Shutdown',
  helpsRestart: false,
  restartTimeS: 5,
  asksAgain: true,
  checksTtl: false,
});
