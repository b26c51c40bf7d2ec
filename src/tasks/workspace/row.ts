import { z } from 'zod';
import { type PartKind, partKinds } from '../../syntax/function-parts.ts';
import type { TestedFunction } from '../../workspace/tested-function.ts';
import { checkedRow } from '../checked.ts';

/** A function of a workspace, or a part of one, with everything that its prompt and its verdict depend on. */
export interface WorkspaceRow extends TestedFunction {
  /** If the completion is only a part of the function's body: its kind. `body` is then that part. */
  readonly part?: PartKind | undefined;
  /** What passing tests are worth, above 0 and up to 1; absent: 1. See `lessons`. */
  readonly testWeight?: number | undefined;
}

const text = z.string({ error: 'needs a text' });

const rowSchema = z.object(
  {
    workspace: text,
    snapshot: z.string().regex(/^[0-9a-f]{32}$/, 'is no digest of a snapshot'),
    command: text.nullable().default(null),
    file: text,
    function: text,
    line: z.int(),
    language: text,
    prefix: text,
    body: text,
    suffix: text,
    guards: z
      .array(z.object({ testFile: text, tests: z.array(text).min(1), expected: z.array(text).min(1) }))
      .min(1, 'needs a test'),
    part: z.enum(partKinds).optional(),
    testWeight: z.number().gt(0).max(1).optional(),
  },
  { error: 'a problem is a record that `unmask discover` writes' },
) satisfies z.ZodType<WorkspaceRow>;

export const workspaceRow = (record: unknown): WorkspaceRow => checkedRow(rowSchema, record);
