import type { Rule } from '../rule.ts';
import { haproxyBindingRules } from './haproxy-binding.ts';
import { haproxyCheckRules } from './haproxy-checks.ts';
import { haproxyKeywordRules } from './haproxy-keywords.ts';
import { haproxyProxyRules } from './haproxy-proxies.ts';
import { haproxyTimeoutRules } from './haproxy-timeouts.ts';

/** Rules about plain-text configuration: balancers, VRRP, scripts, the kernel and units. */
export const plainTextRules: readonly Rule[] = [
  ...haproxyCheckRules,
  ...haproxyTimeoutRules,
  ...haproxyBindingRules,
  ...haproxyProxyRules,
  ...haproxyKeywordRules,
];
