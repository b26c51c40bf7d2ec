import { UsageError } from '../platform/errors.ts';

/** One of the processes that share the work of a command. */
export interface Shard {
  /** From 1 to `of`. */
  readonly index: number;
  readonly of: number;
}

/** Schedulers that number the tasks of an array in an environment variable. */
const schedulers = {
  // `sbatch --array=1-20` and `--array=0-19` are both usual; the documentation uses the first.
  slurm: { variable: 'SLURM_ARRAY_TASK_ID', base: 1, array: 'a job array (`sbatch --array=1-N`)' },
  kubernetes: { variable: 'JOB_COMPLETION_INDEX', base: 0, array: 'an Indexed Job (`completionMode: Indexed`)' },
} as const;

/**
 * Parses `I/N` with I from 1 to N, or `slurm/N` or `kubernetes/N`, which take the index from the environment.
 *
 * @param base the first index of the array, 0 or 1 (default: 1 for Slurm, 0 for Kubernetes)
 * @throws UsageError for anything else
 */
export function parseShard(
  text: string,
  {
    base,
    environment = process.env,
  }: { readonly base?: 0 | 1 | undefined; readonly environment?: NodeJS.ProcessEnv } = {},
): Shard {
  const [, from, count] = /^(\d{1,9}|slurm|kubernetes)\/(\d{1,9})$/.exec(text.trim()) ?? [];
  if (from === undefined || count === undefined || Number(count) === 0)
    throw new UsageError(`--shard ${text}: write it as I/N, slurm/N or kubernetes/N, for example 1/20.`);
  const of = Number(count);
  if (from === 'slurm' || from === 'kubernetes') return { index: indexFrom(from, of, base, environment), of };
  if (base !== undefined)
    throw new UsageError(
      '--shard-base belongs to --shard slurm/N and kubernetes/N; an index that you write begins at 1.',
    );
  const index = Number(from);
  if (index < 1 || index > of) throw new UsageError(`--shard ${text}: the index must be from 1 to ${of}.`);
  return { index, of };
}

function indexFrom(
  name: keyof typeof schedulers,
  of: number,
  base: 0 | 1 | undefined,
  environment: NodeJS.ProcessEnv,
): number {
  const { variable, array, base: usual } = schedulers[name];
  const first = base ?? usual;
  const value = environment[variable];
  if (value === undefined || !/^\d{1,9}$/.test(value))
    throw new UsageError(
      `--shard ${name}/${of} needs a number in ${variable}${value === undefined ? '' : `, which is ${JSON.stringify(value)}`}; start it as a task of ${array}, or give the index as I/${of}.`,
    );
  const index = Number(value) - first + 1;
  if (index < 1 || index > of)
    throw new UsageError(
      `--shard ${name}/${of}: ${variable} is ${value}, but must be from ${first} to ${of - 1 + first}; change the array's range, N, or --shard-base.`,
    );
  return index;
}

/** Whether a part belongs to a shard. Parts are assigned in turn, so that expensive parts at one end are spread over the shards. */
export const isPartOf = ({ index, of }: Shard, part: number): boolean => part % of === index - 1;
