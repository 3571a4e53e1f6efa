/** What each number of a report means, for the reader who has to defend it. */
export const METHOD: readonly (readonly [string, string])[] = [
  [
    'Outage',
    'The longest time between the completions of two consecutive successful requests, the later one after the fault. A client on the same network opens a new TCP and TLS connection on a fixed schedule, whether or not earlier ones were answered; the resolution is the interval of that schedule. The same is measured before the fault. With a real control plane, all of whose hosts share the cores of one machine with the clients, the drill allows that much on top of its bound, and both are shown; beyond 250 ms it says nothing about an outage and is void. With stand-ins nothing is added.',
  ],
  [
    'Failed requests',
    'Requests without a complete, successful answer within their time-out. In the plots a request stands at the moment it was sent.',
  ],
  [
    'Long-lived connections',
    'Opened before the fault, never reopened. Three of four are active and asked about once a second; one of four is idle like a watch that waits: it says nothing, its kernel asks for nothing in its name, and it is asked one question at the very end. Kept: answered after the fault. Reset: closed or reset by the other side, so that the client could react. Hung: no answer for more than 5 s or until the end, and no error; an idle connection hung when it was told later than 5 s after the fault, or only found out by its last question. An API server that ends in order closes idle connections last: there the 5 s begin when it was last heard by others that were connected before the fault.',
  ],
  [
    'On the struck host, on the others',
    'Each connection counts for the host of the API server that answers on it, as that says in every response. Lost on other hosts: reset or hung although nothing happened to the host of their API server; with the datapath dsr none may be, with the others only where the address stays. Told after: from the fault until a connection to the struck host was reset, the detection of the fault included.',
  ],
  [
    'Clients of the API',
    'With a real kube-apiserver. Each has an HTTP/2 connection of its own and behaves as client-go: a silent connection is pinged after 30 s and given up 15 s later, a watch goes on from the last resource version, after 410 Gone the client lists anew. Each writer owns one ConfigMap and writes rising numbers, none of them twice; when a write is not acknowledged it reads what the object holds. A write is lost when a later linearizable read finds an older number; an event is lost when a watcher never saw a change that others saw or that was acknowledged, and no list of its own made up for it. A watch that was lost counts for the API server that had it, as its certificate says: on a struck host, or elsewhere, ended in order by the API server or with a broken connection. The fleet ends when every watcher has seen the last write, at most 60 s after it.',
  ],
  [
    'Answering at once, overlap',
    'Observed from the client’s network, not asked of the agents. Every millisecond a station of its own asks the link who has the address (ARP, or neighbour solicitations) and sends a TCP SYN for it to each host’s own MAC address; the kernel dates the answers. An ARP or neighbour answer counts for the host that gave it. A TCP answer counts, with the datapaths proxy, nat and ipvs, for the host that was asked if it answered itself: after a hand-over a host passes new connections on to the next holder, whose own knocks prove what it does. With dsr it counts for the host that was asked, whichever API server answered, because that host steered the segment there or served it; only after a planned hand-over, as the old holder’s agent wrote it down, such answers of that host count for nobody for 2.5 s, as it is meant to steer what clients with a stale neighbour entry still send it; its ARP and neighbour answers always count. Two hosts count as answering at once when each of them answered a question that was asked after the first answer of the other had been heard; the overlap is the time for which that is proven. The bands in the plots reach from a host’s first answer to its last.',
  ],
  [
    'Verdict',
    'Pass when every expectation of the drill holds and the cluster was in a steady state before the fault; otherwise each expectation that did not hold is listed with its number. Void when an instrument did not run for more than 250 ms, so that neither can be said; two hosts that provably answered at once fail a drill all the same.',
  ],
];
