import { z } from 'zod';
import type { TestedFunction } from '../../workspace/discover.ts';
import { checkedRow } from '../checked.ts';

/** A function of a workspace with everything that its prompt and its verdict depend on. */
export type WorkspaceRow = TestedFunction;

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
  },
  { error: 'a problem is a record that `unmask discover` writes' },
) satisfies z.ZodType<WorkspaceRow>;

export const workspaceRow = (record: unknown): WorkspaceRow => checkedRow(rowSchema, record);
