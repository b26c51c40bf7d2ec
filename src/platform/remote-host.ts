import { BlockList, isIP } from 'node:net';
import { UsageError } from './errors.ts';

/** The host of an address, without the brackets of an IPv6 address. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether a host name or address is this machine. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0 ? host === 'localhost' : loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Allows data to be sent only to this machine, unless the user names the other machine in `allowed` (`--send-code-to`).
 *
 * @throws UsageError that says what would be sent: "OPTION would send WHAT to HOST"
 */
export function assertMaySendTo(
  host: string,
  { allowed, option, what }: { readonly allowed: string | undefined; readonly option: string; readonly what: string },
): void {
  if (isLoopback(host)) {
    if (allowed !== undefined) throw new UsageError(`${host} is this machine, so leave out --send-code-to.`);
    return;
  }
  if (allowed === host) return;
  throw new UsageError(
    `${option} would send ${what} to ${host}, which is not this machine; to allow that, add --send-code-to ${host}.`,
  );
}
