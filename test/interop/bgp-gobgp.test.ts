import { gobgp } from '../support/routers/gobgp.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

// It takes no connection for ten seconds after a session has ended, and sends no ROUTE-REFRESH.
describeSessions(gobgp, {
  shutdownWords: 'Wartung bis 14 Uhr – über hale',
  ended: 'Cease/Administrative Shutdown: maintenance until 14:00',
  helpsRestart: true,
  restartTimeS: 20,
  asksAgain: false,
  checksTtl: true,
});
