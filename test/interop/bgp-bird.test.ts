import { bird } from '../support/routers/bird.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

describeSessions(bird, {
  shutdownWords: 'Wartung bis 14 Uhr – über hale',
  ended: 'Cease/Administrative Shutdown: maintenance until 14:00',
  helpsRestart: true,
  restartTimeS: 5,
  asksAgain: true,
  checksTtl: true,
});
