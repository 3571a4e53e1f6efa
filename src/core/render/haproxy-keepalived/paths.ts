/** Root's alone to write, with all folders above: keepalived runs nothing else (enable_script_security). */
export const KEEPALIVED_DIR = '/etc/keepalived';
export const CHECK_SCRIPT = `${KEEPALIVED_DIR}/check-api`;
export const HAPROXY_DIR = '/etc/haproxy';
/** HAProxy's and the check's own copy, which is there before the host has a control plane, and on hosts that never have one. It is no secret. */
export const CA_COPY = `${HAPROXY_DIR}/kubernetes-ca.crt`;
