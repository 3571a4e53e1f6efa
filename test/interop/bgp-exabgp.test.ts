import { exabgp } from '../support/routers/exabgp.ts';
import { describeSessions } from '../support/routers/session-suite.ts';

describeSessions(exabgp, { shutdownWords: (text) => text, saysWhy: true, helpsRestart: true, asksAgain: true, ttlSecurity: true });
