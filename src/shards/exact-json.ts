import * as z from 'zod';

/**
 * JSON that keeps every number to the bit. Finite numbers survive JSON as they are; NaN, the infinities and -0 do not, and are
 * written as `{"number": "NaN"}`.
 */
export const exactJson = (value: unknown): string => JSON.stringify(value, (_, inner: unknown) => encoded(inner));

/** The value that `exactJson` wrote. */
export const fromExactJson = (text: string): unknown => JSON.parse(text, (_, inner: unknown) => decoded(inner));

const names = new Map<string, number>([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['-0', -0],
]);

function encoded(value: unknown): unknown {
  if (typeof value !== 'number' || (Number.isFinite(value) && !Object.is(value, -0))) return value;
  return { number: Object.is(value, -0) ? '-0' : String(value) };
}

function decoded(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return value;
  const { number } = value as { readonly number?: unknown };
  return typeof number === 'string' ? (names.get(number) ?? value) : value;
}

/** Any number that `exactJson` keeps, unlike `z.number()` also NaN and the infinities. */
export const anyNumber = z.custom<number>((value) => typeof value === 'number', 'expected a number');
