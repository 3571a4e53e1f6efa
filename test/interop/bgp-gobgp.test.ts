import { gobgp } from '../support/routers/gobgp.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

describeSessions(gobgp, { shutdownWords: (text) => text, saysWhy: true, helpsRestart: true, asksAgain: true, ttlSecurity: true });
