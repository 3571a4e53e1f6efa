import { bird } from '../support/routers/bird.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

describeSessions(bird, { shutdownWords: (text) => text, saysWhy: true, helpsRestart: true, asksAgain: true, ttlSecurity: true });
