import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { invalidValue } from '../../src/platform/invalid-value.ts';

describe('the message about an invalid value', () => {
  const cases: readonly [schema: z.ZodType, value: unknown, message: string][] = [
    [z.int(), 'abc', 'must be a number, not "abc"'],
    [z.int(), 1.5, 'must be a whole number, not 1.5'],
    [z.number(), Number.NaN, 'must be a number, not NaN'],
    [z.number(), undefined, 'is missing; it must be a number'],
    [z.number().min(2), 1, 'must be at least 2, not 1'],
    [z.number().gt(0), 0, 'must be above 0, not 0'],
    [z.number().lt(1), 1, 'must be below 1, not 1'],
    [z.number().max(10).nullable(), 11, 'must be at most 10, not 11'],
    [z.boolean(), 'yes', 'must be true or false, not "yes"'],
    [z.string(), 5, 'must be a text, not 5'],
    [z.string().min(1), '', 'must have at least 1 character'],
    [z.array(z.int()).min(2), [1], 'must have at least 2 entries'],
    [z.array(z.int()), 'x'.repeat(100), 'must be a list'],
    [z.enum(['a', 'b', 'c']), 'd', 'must be a, b or c, not "d"'],
    [z.strictObject({ a: z.int() }), { a: 1, b: 2 }, 'has the unknown field b'],
    [z.string({ error: 'needs a name' }), 5, 'needs a name'],
  ];
  for (const [schema, value, message] of cases)
    it(message, () => {
      assert.equal(schema.safeParse(value, { error: invalidValue }).error?.issues[0]?.message, message);
    });
});
