/** Offsets of what programs find in their context (include/uapi/linux/bpf.h). Addresses and ports are in network order, ports in the lower 16 bits. */

/** struct bpf_sock_addr: the address given to connect(2), or that getpeername(2) will answer; both can be changed. */
export const SOCK_ADDR = { user_ip4: 4, user_ip6: 8, user_port: 24, protocol: 36 } as const;

/** struct bpf_sock. */
export const SOCK = { protocol: 12 } as const;
