import { bird } from '../support/routers/bird.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

describeSessions(bird, { shutdownWords: 'Wartung bis 14 Uhr – über hale', saysWhy: true, helpsRestart: true, restartTimeS: 5, asksAgain: true, ttlSecurity: true });
