import { UsageError } from '../../platform/errors.ts';
import type { WorkerRecord } from '../../workers/messages.ts';
import { failure } from '../../workers/queue-server.ts';
import { registeredWorkers } from '../../workers/registry.ts';
import type { AddCommand, CommandContext, CommandResult } from '../command.ts';
import { openQueue } from '../open-queue.ts';

interface WorkersOptions {
  readonly action: string;
  readonly queue?: string;
  readonly sendCodeTo?: string;
}

export function addWorkers(add: AddCommand): void {
  add<WorkersOptions>('workers', 'List the workers of a queue', workers)
    .argument('<action>', 'list')
    .option('--queue <url>', 'Redis server of the queue: redis://HOST or rediss://HOST')
    .option('--send-code-to <host>', 'allow --queue to be on this other machine');
}

async function workers(options: WorkersOptions, context: CommandContext): Promise<CommandResult> {
  if (options.action !== 'list') throw new UsageError(`Unknown action ${options.action}; the action is list.`);
  if (options.queue === undefined)
    throw new UsageError('unmask workers list needs --queue with the address of a Redis server.');
  const server = await openQueue(
    options.queue,
    { option: '--queue', allowedHost: options.sendCodeTo, as: 'list' },
    context,
  );
  try {
    const found = await registeredWorkers(server.redis).catch((error: unknown) => {
      throw failure(error, server.address);
    });
    return {
      document: { workers: found.map(({ refused: _, ...worker }) => worker) },
      lines:
        found.length === 0 ? [`No workers at ${server.address.text}; \`unmask worker\` starts one.`] : found.map(line),
    };
  } finally {
    await server.close();
  }
}

function line({ name, device, tokens_per_second: speed, busy, last_seen: seen }: WorkerRecord): string {
  const parts = [name.padEnd(30), device.padEnd(16), busy ? 'busy' : 'idle'];
  return [...parts, ...(speed === null ? [] : [`${Math.round(speed)} tokens/s`]), `last seen ${seen}`].join('  ');
}
