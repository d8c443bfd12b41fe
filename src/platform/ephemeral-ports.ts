// The ports that the system takes by itself for outgoing connections.
import { readFileSync } from "node:fs";
import type { PortRange } from "../core/port-range.ts";

/** The range of the dynamic ports (RFC 6335, section 6), which systems other than Linux use. */
const DYNAMIC: PortRange = { low: 49_152, high: 65_535 };

export function ephemeralPorts(): PortRange {
  try {
    const [low, high] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8")
      .trim()
      .split(/\s+/)
      .map(Number);
    return low !== undefined && high !== undefined ? { low, high } : DYNAMIC;
  } catch {
    return DYNAMIC;
  }
}
