import { frr } from '../support/routers/frr.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

describeSessions(frr, { shutdownWords: (text) => text, saysWhy: true, helpsRestart: true, asksAgain: true, ttlSecurity: true });
