import { isRemoteQueue, parseQueueAddress, whatIsSent } from '../workers/address.ts';
import { openQueueServer, type QueueServer } from '../workers/queue-server.ts';
import type { CommandContext } from './command.ts';

/** The option that names a queue, the other machine that is allowed, and who asks. */
interface QueueOption {
  readonly option: '--workers' | '--queue';
  readonly allowedHost: string | undefined;
  readonly as: keyof typeof whatIsSent;
}

/** Connects to the queue that an option names, and says what is sent if it is on another machine. */
export async function openQueue(
  url: string,
  { option, allowedHost, as }: QueueOption,
  { progress }: Pick<CommandContext, 'progress'>,
): Promise<QueueServer> {
  const what = whatIsSent[as];
  const address = parseQueueAddress(url, option, { allowedHost, what });
  if (isRemoteQueue(address)) progress(`${address.host} gets ${what}`);
  return openQueueServer(address);
}
