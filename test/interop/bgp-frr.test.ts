import { frr } from '../support/routers/frr.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

// What is not ASCII it shows as bytes.
describeSessions(frr, {
  shutdownWords: 'Wartung bis 14 Uhr',
  ended: 'Cease/Administrative Shutdown: maintenance until 14:00',
  helpsRestart: true,
  restartTimeS: 5,
  asksAgain: true,
  checksTtl: true,
});
