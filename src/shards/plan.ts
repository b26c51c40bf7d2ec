import path from 'node:path';
import * as z from 'zod';
import { contentDigest } from '../platform/content-digest.ts';
import { UsageError, UserError } from '../platform/errors.ts';
import { readJson, writeOnce } from '../platform/files.ts';
import { packageVersion } from '../platform/package-root.ts';

/** Values by name, as they are after a round trip through JSON. */
export type Inputs = Readonly<Record<string, unknown>>;

/** The work that is divided among shards. */
export interface ShardedWork {
  /** The command, such as `eval`. */
  readonly command: string;
  /** Everything that the rows depend on. All shards must agree on it. */
  readonly inputs: Inputs;
  /** Other values that a result shows, such as the names of folders. Shards may differ in them; the first shard's values are kept. */
  readonly about: Inputs;
  /** A name for each row, in the order of the result. */
  readonly rows: readonly string[];
  /** Number of rows that are computed and stored together; the last part may have fewer. */
  readonly rowsPerPart: number;
}

/** `plan.json`: the work, and the number of shards that it is divided among. */
export interface ShardPlan extends ShardedWork {
  readonly schema: 1;
  readonly of: number;
  /** Version of Unmask. Results of two versions may differ, so they are not mixed. */
  readonly version: string;
}

const planSchema = z.looseObject({
  schema: z.literal(1),
  command: z.string(),
  version: z.string(),
  of: z.int().positive(),
  inputs: z.record(z.string(), z.unknown()),
  about: z.record(z.string(), z.unknown()),
  rows: z.array(z.string()),
  rowsPerPart: z.int().positive(),
}) satisfies z.ZodType<ShardPlan>;

export const planFile = (folder: string): string => path.join(folder, 'plan.json');

/** Number of parts of a plan. */
export const partCount = ({ rows, rowsPerPart }: ShardedWork): number => Math.ceil(rows.length / rowsPerPart);

/** Names of the rows of a part. */
export const rowsOfPart = ({ rows, rowsPerPart }: ShardedWork, part: number): readonly string[] =>
  rows.slice(part * rowsPerPart, (part + 1) * rowsPerPart);

/** A digest of everything that determines the rows. Every part contains it, so that parts of another plan are detected. */
export const planDigest = ({ command, version, of, inputs, rows, rowsPerPart }: ShardPlan): string =>
  contentDigest(JSON.stringify([command, version, of, inputs, rows, rowsPerPart]));

/**
 * Writes the plan of a folder, or checks that the folder has the same one. If several shards start at once, one of them writes it.
 * Throws a `UsageError` that names the difference.
 */
export async function recordPlan(folder: string, work: ShardedWork, of: number): Promise<ShardPlan> {
  const plan = JSON.parse(JSON.stringify({ schema: 1, version: packageVersion(), of, ...work })) as ShardPlan;
  if (await writeOnce(planFile(folder), `${JSON.stringify(plan, null, 2)}\n`)) return plan;
  const known = await readPlan(folder);
  assertSame(folder, known, plan);
  return known;
}

/** Reads the plan of a folder. Throws a `UserError` if it has none that can be read. */
export async function readPlan(folder: string): Promise<ShardPlan> {
  const parsed = planSchema.safeParse(await readJson(planFile(folder)));
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]!.path.join('.');
  throw new UserError(
    `${planFile(folder)} is not a plan of shards${field === '' ? '' : ` (field ${field})`}; restore it, or choose another folder with --out.`,
  );
}

function assertSame(folder: string, known: ShardPlan, plan: ShardPlan): void {
  const refuse = (has: string, expected: string): never => {
    throw new UsageError(
      `${folder} holds ${has}, not ${expected}; use the same options, or choose another folder with --out.`,
    );
  };
  if (known.command !== plan.command) refuse(`rows of unmask ${known.command}`, `of unmask ${plan.command}`);
  if (known.version !== plan.version) refuse(`rows of Unmask ${known.version}`, `of Unmask ${plan.version}`);
  if (known.of !== plan.of) refuse(`the work of ${known.of} shards`, `of ${plan.of}`);
  const names = [...new Set([...Object.keys(known.inputs), ...Object.keys(plan.inputs)])];
  const differing = names.find((name) => !isEqual(known.inputs[name], plan.inputs[name]));
  if (differing !== undefined)
    refuse(`rows with ${differing} ${shown(known.inputs[differing])}`, `${differing} ${shown(plan.inputs[differing])}`);
  if (planDigest(known) !== planDigest(plan)) refuse('other rows', 'those of these options');
}

const isEqual = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** A value in a message, shortened. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
