/** What each number of a report means, for the reader who has to defend it. */
export const METHOD: readonly (readonly [string, string])[] = [
  [
    'Outage',
    'The longest time between the completions of two consecutive successful requests, the later one after the fault. A client on the same network opens a new TCP and TLS connection on a fixed schedule, whether or not earlier ones were answered; the resolution is the interval of that schedule.',
  ],
  [
    'Failed requests',
    'Requests without a complete, successful answer within their time-out. In the plots a request stands at the moment it was sent.',
  ],
  [
    'Long-lived connections',
    'Opened before the fault, asked about once a second, never reopened. Kept: answered after the fault. Reset: closed or reset by the other side, so that the client could react. Hung: no answer for more than 5 s or until the end, and no error.',
  ],
  [
    'Holders at once',
    'Observed from the client’s network, not asked of the agents: who answers ARP requests or neighbour solicitations for the address, and who accepts a TCP connection for it when a SYN is sent to each host’s own MAC address. One answer of a second host between two answers of the first counts as two at once.',
  ],
  [
    'Verdict',
    'Pass when every expectation of the drill holds and the cluster was in a steady state before the fault; otherwise each expectation that did not hold is listed with its number.',
  ],
];
