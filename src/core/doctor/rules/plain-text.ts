import type { Rule } from '../rule.ts';
import { haproxyBindingRules } from './haproxy-binding.ts';
import { haproxyCheckRules } from './haproxy-checks.ts';
import { haproxyKeywordRules } from './haproxy-keywords.ts';
import { haproxyProxyRules } from './haproxy-proxies.ts';
import { haproxyTimeoutRules } from './haproxy-timeouts.ts';
import { keepalivedInstanceRules } from './keepalived-instance.ts';
import { keepalivedHostRules } from './keepalived-hosts.ts';
import { keepalivedCheckRules } from './keepalived-checks.ts';
import { keepalivedLvsRules } from './keepalived-lvs.ts';
import { keepalivedKeywordRules } from './keepalived-keywords.ts';
import { checkScriptRules } from './check-scripts.ts';
import { scriptRules } from './scripts.ts';
import { sysctlRules } from './sysctl.ts';
import { nginxRules } from './nginx.ts';
import { unitRules } from './units.ts';
import { haproxyLineRules } from './haproxy-lines.ts';
import { keepalivedValueRules } from './keepalived-values.ts';
import { etcdScriptRules } from './etcd-scripts.ts';

/** Rules about plain-text configuration: balancers, VRRP, scripts, the kernel and units. */
export const plainTextRules: readonly Rule[] = [
  ...haproxyCheckRules,
  ...haproxyTimeoutRules,
  ...haproxyBindingRules,
  ...haproxyProxyRules,
  ...haproxyKeywordRules,
  ...keepalivedInstanceRules,
  ...keepalivedHostRules,
  ...keepalivedCheckRules,
  ...keepalivedLvsRules,
  ...keepalivedKeywordRules,
  ...checkScriptRules,
  ...scriptRules,
  ...sysctlRules,
  ...nginxRules,
  ...unitRules,
  ...haproxyLineRules,
  ...keepalivedValueRules,
  ...etcdScriptRules,
];
