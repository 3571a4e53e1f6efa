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
    'Answering at once, overlap',
    'Observed from the client’s network, not asked of the agents. Every millisecond a station of its own asks the link who has the address (ARP, or neighbour solicitations) and sends a TCP SYN for it to each host’s own MAC address; the kernel dates the answers. Two hosts count as answering at once when each of them answered a question that was asked after the first answer of the other had been heard; the overlap is the time for which that is proven. The bands in the plots reach from a host’s first answer to its last.',
  ],
  [
    'Verdict',
    'Pass when every expectation of the drill holds and the cluster was in a steady state before the fault; otherwise each expectation that did not hold is listed with its number. Void when an instrument did not run for more than 250 ms, so that neither can be said; two hosts that provably answered at once fail a drill all the same.',
  ],
];
