import { UsageError } from '../platform/errors.ts';
import { assertMaySendTo, hostOf, isLoopback } from '../platform/remote-host.ts';

/** Where the Redis server of a queue is. Credentials are not part of it. */
export interface QueueAddress {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly tls: boolean;
  /** The address as text. */
  readonly text: string;
}

/** Environment variables with the name and the password of the Redis user. */
export const credentialVariables = { username: 'UNMASK_REDIS_USERNAME', password: 'UNMASK_REDIS_PASSWORD' } as const;

/** What a trainer stores on the Redis server, and what a worker does. */
export const whatIsSent = {
  trainer: 'prompts, completions, problems with their tests, and the trained weights',
  worker: 'completions, rewards and the kind of this machine',
  list: 'a request for the list of workers',
} as const;

/**
 * Reads the address of a queue, `redis://HOST[:PORT][/DATABASE]` or `rediss://…` for TLS. Another machine must be allowed by its
 * name.
 *
 * @param option the option that has the address, for messages
 * @param options.what what would be sent, for messages
 * @throws UsageError if the address is invalid, has a user or a password, or is on a machine that is not allowed
 */
export function parseQueueAddress(
  address: string,
  option: string,
  { allowedHost, what = whatIsSent.worker }: { readonly allowedHost?: string | undefined; readonly what?: string } = {},
): QueueAddress {
  const url = URL.canParse(address) ? new URL(address) : null;
  // An address with a password is not repeated in a message.
  if (address.includes('@') || (url && (url.username !== '' || url.password !== '')))
    throw new UsageError(
      `${option} has a user or a password, which other users of this machine could see; set ${credentialVariables.username} and ${credentialVariables.password} instead.`,
    );
  const database = /^\/?(\d{0,4})$/.exec(url?.pathname ?? '')?.[1];
  if (!url || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || database === undefined || url.search !== '')
    throw new UsageError(`${option} ${address}: give an address such as redis://127.0.0.1:6379 or rediss://host:6380.`);
  const host = hostOf(url);
  assertMaySendTo(host, { allowed: allowedHost, option, what });
  const [port, tls] = [url.port === '' ? 6379 : Number(url.port), url.protocol === 'rediss:'];
  const text = `${url.protocol}//${url.hostname}:${port}${database === '' ? '' : `/${database}`}`;
  return { host, port, database: Number(database), tls, text };
}

/** Whether the queue is on another machine. */
export const isRemoteQueue = ({ host }: QueueAddress): boolean => !isLoopback(host);
