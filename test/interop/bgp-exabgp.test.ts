import { exabgp } from '../support/routers/exabgp.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

// It keeps no routes, and says neither why it ends a session nor the text of the other side.
describeSessions(exabgp, { shutdownWords: undefined, saysWhy: false, helpsRestart: false, restartTimeS: 5, asksAgain: true, ttlSecurity: true });
