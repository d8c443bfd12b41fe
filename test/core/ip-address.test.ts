// Which addresses somebody on the internet may have, and which texts are addresses at all.
import { expect, test } from "bun:test";
import { isGlobalUnicast, isIpAddress } from "../../src/core/ip-address.ts";

test.each(["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::5", "::ffff:8.8.8.8", "100.128.0.1"])(
  "%s is on the internet",
  (address) => expect(isGlobalUnicast(address)).toBe(true),
);

test.each([
  ...["0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.31.0.1", "192.168.1.1"],
  ...["192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"],
  ...["240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1"],
  ...[
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
  ],
  ...["3fff::1", "4000::1", "5f00::1", "fc00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"],
  ...["", "localhost", "127.1", "0x7f.0.0.1", "2130706433", "010.8.8.8", "8.8.8.8:80", "8.8.8", "[2606::1]"],
])("%p is not", (address) => expect(isGlobalUnicast(address)).toBe(false));

test.each(["010.0.0.1", "1.2.3", "0x0a.1.1.1", "1.2.3.4 ", "::1%lo", "::1::", "g::1", "host"])(
  "%p is no address",
  (text) => expect(isIpAddress(text)).toBe(false),
);
