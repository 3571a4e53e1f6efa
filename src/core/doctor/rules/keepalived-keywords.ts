import type { KeepalivedEntry } from '../read/keepalived.ts';
import type { Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import { nearest } from '../../cluster/nearest.ts';
import { isMarkdown, markdownEdits } from './markdown.ts';

/* Keywords that keepalived does not know. It passes over them with a line in its log. */

const TOP =
  'global_defs vrrp_instance vrrp_script vrrp_sync_group vrrp_track_process vrrp_track_file track_file vrrp_track_bfd bfd_instance static_ipaddress static_addresses static_routes static_rules ' +
  'track_group virtual_server virtual_server_group linkbeat_interfaces garp_group include net_namespace instance namespace_with_ipsets child_wait_time interface_up_down_delays lvs_sync_daemon SSL ssl dbus_service_name use_pid_dir bfd global_tracking config_save_dir reload_check_config random_seed process_names';
const INSTANCE =
  'state interface use_vmac use_ipvlan vmac_xmit_base native_ipv6 dont_track_primary track_interface track_script track_process track_file track_bfd track_src_ip mcast_src_ip mcast_dst_ip ' +
  'unicast_src_ip unicast_peer unicast_ttl unicast_fault_no_peer check_unicast_src old_unicast_checksum virtual_router_id priority advert_int authentication virtual_ipaddress ' +
  'virtual_ipaddress_excluded virtual_routes virtual_rules promote_secondaries nopreempt preempt preempt_delay accept no_accept skip_check_adv_addr strict_mode version debug ' +
  'garp_master_delay garp_master_repeat garp_master_refresh garp_master_refresh_repeat garp_lower_prio_delay garp_lower_prio_repeat garp_extra_if lower_prio_no_advert ' +
  'higher_prio_send_advert down_timer_adverts v3_checksum_as_v2 kernel_rx_buf_size linkbeat_use_polling notify notify_master notify_backup notify_fault notify_stop notify_deleted ' +
  'notify_master_rx_lower_pri notify_priority_changes smtp_alert use_vmac_addr vmac_addr track_group dynamic_interfaces allow_no_vips include lvs_sync_daemon_interface multicast_fault_no_peer vmac_prefix auth_hmac thread_timer_expired';
const SCRIPT = 'script interval timeout weight rise fall user init_fail include';
const GLOBAL =
  'notification_email notification_email_from smtp_server smtp_helo_name smtp_connect_timeout smtp_alert smtp_alert_vrrp smtp_alert_checker router_id script_user enable_script_security ' +
  'vrrp_version vrrp_iptables vrrp_ipsets vrrp_strict vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat vrrp_garp_lower_prio_delay ' +
  'vrrp_garp_lower_prio_repeat vrrp_garp_interval vrrp_gna_interval vrrp_lower_prio_no_advert vrrp_higher_prio_send_advert vrrp_skip_check_adv_addr vrrp_check_unicast_src vrrp_mcast_group4 vrrp_mcast_group6 ' +
  'vrrp_startup_delay vrrp_delay_after_boot vrrp_priority vrrp_no_swap max_auto_priority min_auto_priority_delay dynamic_interfaces default_interface log_unknown_vrids nftables lvs_flush lvs_timeouts enable_snmp_vrrp enable_dbus';

const TOP_WORDS = TOP.split(' ');
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  vrrp_instance: INSTANCE.split(' '),
  vrrp_script: SCRIPT.split(' '),
  global_defs: GLOBAL.split(' '),
};

const file = (text: string) => ({ 'keepalived.conf': text });
const good = [file('vrrp_instance API {\n  interface eth0\n  track_script {\n    check\n  }\n}\n')];

export const keepalivedKeywordRules: readonly Rule[] = [
  {
    id: 'keepalived-keyword-typo',
    severity: 'error',
    title: 'a keyword is misspelt',
    why: 'keepalived passes over it, and misreads the block behind it; it starts all the same, without what was meant.',
    fix: 'Correct the word; keepalived --config-test names such lines.',
    sources: ['keepalived.conf(5)'],
    examples: {
      bad: [
        file('vrrp_instance API {\n  interface eth0\n  virtual_ipadress {\n    10.0.0.100\n  }\n}\n'),
        file('vrrp_instance API {\n  track_scripts {\n    check\n  }\n}\n'),
        file('vrrp_instances API {\n}\nvrrp_script a {\n}\n'),
      ],
      good,
    },
    *check(facts) {
      for (const { entry, known } of keywords(facts)) {
        const near = nearest(entry.words[0] ?? '', known);
        if (near !== undefined)
          yield { at: entry.spans[0] as Span, message: `keepalived has no keyword ${entry.words[0]} here; did you mean ${near}?` };
      }
    },
  },
  {
    id: 'keepalived-keyword-unknown',
    severity: 'info',
    title: 'hale does not know a keyword, and did not check it',
    why: 'keepalived may know it in a newer version; an older one passes over it.',
    fix: 'Ask keepalived itself: keepalived --config-test -f keepalived.conf.',
    sources: ['keepalived.conf(5)'],
    examples: { bad: [file('vrrp_instance API {\n  interface eth0\n  frobnicate_all on\n}\n')], good },
    *check(facts) {
      for (const { entry, known } of keywords(facts))
        if (nearest(entry.words[0] ?? '', known) === undefined)
          yield { at: entry.spans[0] as Span, message: `hale does not know the keyword ${entry.words[0]}` };
    },
  },
  {
    id: 'keepalived-markdown',
    severity: 'error',
    title: 'asterisks of a web page are left in the file',
    why: 'They marked bold text where this was copied from; keepalived passes over such lines.',
    fix: 'Remove the asterisks.',
    sources: ['keepalived.conf(5)'],
    examples: { bad: [file('vrrp_instance API {\n  **virtual_router_id 87**\n}\n')], good },
    *check({ keepalived }) {
      for (const { words, spans, span } of keepalived.flatMap(({ entries }) => flat(entries)))
        if (isMarkdown(words)) yield { at: span, message: 'the asterisks here are left over from a web page', edits: markdownEdits(spans) };
    },
  },
];

const flat = (entries: readonly KeepalivedEntry[]): KeepalivedEntry[] => entries.flatMap((entry) => [entry, ...flat(entry.block ?? [])]);

/** Entries at the top and in known blocks whose first word is not among those that belong there. */
function* keywords({ keepalived }: Parameters<Rule['check']>[0]): Generator<{ entry: KeepalivedEntry; known: readonly string[] }> {
  for (const { entries } of keepalived) {
    // At the top there are keywords of systems and versions that are not listed: only blocks are looked at.
    for (const entry of entries.filter(({ block }) => block !== undefined)) {
      const known = KNOWN[entry.words[0] ?? ''];
      if (known === undefined && isUnknown(entry, TOP_WORDS)) yield { entry, known: TOP_WORDS };
      for (const child of known === undefined ? [] : (entry.block ?? []).filter((candidate) => isUnknown(candidate, known ?? []))) {
        // global_defs has keywords by the dozen that are not listed: near misses only.
        if (entry.words[0] !== 'global_defs' || isNear(child, known as readonly string[]))
          yield { entry: child, known: known as readonly string[] };
      }
    }
  }
}

const isUnknown = ({ words: [first = '!'] }: KeepalivedEntry, known: readonly string[]): boolean =>
  /^[a-z]\w*$/.test(first) && !known.includes(first);
/** A slip of one letter or two, and not another keyword of the same family. */
const isNear = ({ words: [first = ''] }: KeepalivedEntry, known: readonly string[]): boolean => {
  const near = nearest(first, known);
  return (
    near !== undefined &&
    Math.abs(near.length - first.length) <= 1 &&
    near.slice(0, 3) === first.slice(0, 3) &&
    near.split('_').length === first.split('_').length
  );
};
