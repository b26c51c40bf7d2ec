import type { z } from 'zod';
import { count } from './amounts.ts';

/** The types of values, as messages call them. */
const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

/**
 * Messages about values that a schema rejects, for the option `error` of zod's parsers. A message follows the name of the value: "must
 * be a number, not "abc"". A message that the schema itself gives takes precedence.
 */
export const invalidValue: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type': {
      const kind = kinds[issue.expected] ?? issue.expected;
      return issue.input === undefined ? `is missing; it must be ${kind}` : `must be ${kind}${not(issue.input)}`;
    }
    case 'too_small':
      return limited(issue.origin, issue.input, issue.inclusive ? 'at least' : 'above', Number(issue.minimum));
    case 'too_big':
      return limited(issue.origin, issue.input, issue.inclusive ? 'at most' : 'below', Number(issue.maximum));
    case 'invalid_value':
      return `must be ${alternatives(issue.values.map(String))}${not(issue.input)}`;
    case 'unrecognized_keys':
      return `has the unknown ${issue.keys.length === 1 ? 'field' : 'fields'} ${issue.keys.join(', ')}`;
    case 'invalid_union':
      return `is not valid${not(issue.input)}`;
    default:
      return undefined;
  }
};

/** A message about a limit: of a number, or of the length of a text or a list. */
function limited(origin: string, input: unknown, relation: string, limit: number): string {
  if (origin === 'string') return `must have ${relation} ${count(limit, 'character')}`;
  if (origin === 'array') return `must have ${relation} ${count(limit, 'entry', 'entries')}`;
  return `must be ${relation} ${limit}${not(input)}`;
}

const alternatives = (values: readonly string[]): string =>
  values.length < 2 ? values.join() : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;

/** The rejected value, if it is short enough to be shown. */
function not(input: unknown): string {
  const text = typeof input === 'number' ? String(input) : jsonOf(input);
  return text === undefined || text.length > 60 ? '' : `, not ${text}`;
}

/** The value as JSON; undefined if it has none, or is nested too deeply. */
function jsonOf(input: unknown): string | undefined {
  try {
    return JSON.stringify(input);
  } catch {
    return undefined;
  }
}
