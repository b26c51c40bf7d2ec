/**
 * Divides the rows of a result among processes that communicate only through a folder: the tasks of a job array, or processes of
 * one machine. The folder has a `plan.json` with the names of all rows, and a file for each finished part. A part is a few rows that
 * are always computed together, so that gathered rows equal those of one process.
 */
import type * as z from 'zod';
import { UserError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import { foreignParts, type Machine, partFile, readPart, writePart } from './parts.ts';
import { partCount, planFile, readPlan, recordPlan, rowsOfPart, type ShardedWork, type ShardPlan } from './plan.ts';
import { isPartOf, type Shard } from './shard.ts';

/** The result of a shard. */
export interface ShardResult {
  readonly shard: number;
  readonly of: number;
  /** Rows of this shard, all of them finished. */
  readonly rows: number;
  /** Rows that this process computed; the others were finished before. */
  readonly computed: number;
}

export interface ShardRun<Row> {
  /** The folder that all shards share. */
  readonly folder: string;
  readonly shard: Shard;
  readonly work: ShardedWork;
  readonly schema: z.ZodType<Row>;
  readonly machine: Machine;
  /** Computes the rows from index `first` to before `end`. */
  readonly compute: (first: number, end: number) => Promise<readonly Row[]>;
  readonly progress: (line: string) => void;
}

/** Computes the rows of a shard that are not finished, and writes each part as soon as it is done. */
export async function runShard<Row>(run: ShardRun<Row>): Promise<ShardResult> {
  const { folder, shard, schema, machine, compute, progress } = run;
  const plan = await recordPlan(folder, run.work, shard.of);
  const own = ownParts(plan, shard);
  let computed = 0;
  for (const [done, part] of own.entries()) {
    const found = await readPart(folder, plan, part, schema);
    if (found !== 'missing' && !('damaged' in found)) continue;
    if (found !== 'missing') progress(`${partFile(folder, part)} is damaged (${found.damaged}); computing it again`);
    const first = part * plan.rowsPerPart;
    const { length } = rowsOfPart(plan, part);
    progress(`shard ${shard.index} of ${shard.of}: ${done} of ${own.length} parts done`);
    await writePart(folder, plan, part, { rows: await compute(first, first + length), machine });
    computed += length;
  }
  const rows = own.reduce((sum, part) => sum + rowsOfPart(plan, part).length, 0);
  return { shard: shard.index, of: shard.of, rows, computed };
}

function ownParts(plan: ShardPlan, shard: Shard): number[] {
  return Array.from({ length: partCount(plan) }, (_, part) => part).filter((part) => isPartOf(shard, part));
}

/** Whether a folder has the plan of shards. */
export const hasPlan = (folder: string): Promise<boolean> => exists(planFile(folder));

/** All rows of a folder, in their order. */
export interface Gathered<Row> {
  readonly plan: ShardPlan;
  readonly rows: readonly Row[];
  /** The different machines that computed them. */
  readonly machines: readonly Machine[];
}

/**
 * Reads all rows. Throws a `UserError` if a row is missing or damaged, which names the shards to run again, or if a file does not
 * belong to the plan.
 */
export async function gatherRows<Row>(folder: string, command: string, schema: z.ZodType<Row>): Promise<Gathered<Row>> {
  if (!(await hasPlan(folder)))
    throw new UserError(
      `${folder} has no plan.json, so there are no rows to gather; run the shards with --shard first.`,
    );
  const plan = await readPlan(folder);
  if (plan.command !== command)
    throw new UserError(`${folder} holds rows of unmask ${plan.command}; gather them with that command.`);
  const [foreign] = await foreignParts(folder, partCount(plan));
  if (foreign !== undefined)
    throw new UserError(`${foreign} in ${folder} does not belong to its ${partCount(plan)} parts; remove it.`);
  const rows: Row[] = [];
  const machines = new Map<string, Machine>();
  const unfinished: number[] = [];
  for (let part = 0; part < partCount(plan); part++) {
    const found = await readPart(folder, plan, part, schema);
    if (found === 'missing') unfinished.push(part);
    else if ('damaged' in found)
      throw new UserError(
        `${partFile(folder, part)} is damaged (${found.damaged}); run shard ${shardOf(plan, part)}/${plan.of} again to compute it.`,
      );
    else {
      rows.push(...found.rows);
      machines.set(JSON.stringify(found.machine), found.machine);
    }
  }
  if (unfinished.length > 0) throw new UserError(unfinishedMessage(folder, plan, unfinished));
  return { plan, rows, machines: [...machines.values()] };
}

const shardOf = ({ of }: ShardPlan, part: number): number => (part % of) + 1;

function unfinishedMessage(folder: string, plan: ShardPlan, parts: readonly number[]): string {
  const shards = [...new Set(parts.map((part) => shardOf(plan, part)))].sort((a, b) => a - b);
  const missing = parts.reduce((sum, part) => sum + rowsOfPart(plan, part).length, 0);
  const which = shards.length === 1 ? `shard ${shards[0]}` : `shards ${shards.join(', ')}`;
  return `${missing} of ${plan.rows.length} rows in ${folder} are missing; run ${which} of ${plan.of} again (from 1; in a Slurm array, --array=${shards.join()}).`;
}
