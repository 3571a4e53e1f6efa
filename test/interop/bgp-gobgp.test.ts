import { gobgp } from '../support/routers/gobgp.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

// It takes no connection for ten seconds after a session has ended, and sends no ROUTE-REFRESH.
describeSessions(gobgp, { shutdownWords: 'Wartung bis 14 Uhr – über hale', saysWhy: true, helpsRestart: true, restartTimeS: 20, asksAgain: false, ttlSecurity: true });
